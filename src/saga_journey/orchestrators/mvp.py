"""The four-pillar journey: a session whose areas are pillars, with a recommended order and full freedom.

It is data (`MVP`) and three questions: which pillar next, how far, all done? Everything else is the session's.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypedDict, cast

from saga_journey.core.session_definition import Area, SessionDefinition, SessionRequest
from saga_journey.orchestrators.session import SessionJourneyOrchestrator
from saga_journey.orchestrators.session_views import LinkedJourney, SessionStatus
from saga_journey.runs import Runs, UserContext

MVP = SessionDefinition(
    "mvp",
    version=1,
    word="pillar",
    areas=(
        Area(
            "content",
            "Content",
            actions=("upload_files", "parse_files"),
            completion=("files_uploaded", "files_parsed"),
        ),
        Area(
            "insights",
            "Insights",
            actions=("select_file", "run_analysis", "generate_insights_summary"),
            completion=("file_selected", "analysis_complete", "insights_summary_generated"),
        ),
        Area(
            "operations",
            "Operations",
            actions=("generate_workflow", "generate_sop", "create_coexistence_blueprint"),
            completion=("workflow_generated", "sop_generated", "coexistence_blueprint_created"),
        ),
        Area(
            "business_outcome",
            "Business outcome",
            actions=("review_summaries", "generate_roadmap", "generate_poc_proposal"),
            completion=("summaries_reviewed", "roadmap_generated", "poc_proposal_generated"),
        ),
    ),
)
"""The pillars in the recommended order. Another set of pillars, or other rules, is another version."""


class PillarSummary(TypedDict):
    """As `AreaSummary`."""

    pillar: str
    title: str
    visited: bool
    current: bool
    completed: bool
    percent: int


class PillarCompletion(TypedDict):
    """As `AreaCompletion`."""

    pillar: str
    title: str
    completed: bool
    percent: int
    met: list[str]
    missing: list[str]


class PillarView(TypedDict):
    """As `AreaView`."""

    session_id: str
    pillar: str
    title: str
    visited: bool
    current: bool
    completed: bool
    percent: int
    met: list[str]
    missing: list[str]
    state: dict[str, Any]
    actions: list[str]
    journeys: list[LinkedJourney]


class MVPView(TypedDict):
    """As `SessionView`."""

    session_id: str
    journey: str
    version: int
    user_id: str | None
    status: SessionStatus
    current_pillar: str | None
    visited_pillars: list[str]
    completed_pillars: list[str]
    percent: int
    pillars: list[PillarSummary]
    started_at: float
    updated_at: float
    ended_at: float | None
    ended_because: str | None
    seq: int


class MVPProgress(TypedDict):
    """As `SessionProgress`."""

    session_id: str
    status: SessionStatus
    completed: bool
    percent: int
    visited_pillars: list[str]
    completed_pillars: list[str]
    remaining_pillars: list[str]
    pillars: list[PillarCompletion]


class RecommendedPillar(TypedDict):
    """`pillar` None: all are complete. `missing`: what is left to do there."""

    session_id: str
    pillar: str | None
    title: str | None
    missing: list[str]


class MVPCompletion(TypedDict):
    """`missing`: what is left to do, by pillar; complete ones are not there."""

    session_id: str
    completed: bool
    percent: int
    missing: dict[str, list[str]]


class MVPJourneyOrchestrator:
    """Four-pillar journeys. Holds a session orchestrator, and raises what that raises; a pillar is an area of it.

    `journeys.session` reads and changes the same sessions, and starts journeys in a pillar (`start_journey_in_area`).
    """

    def __init__(self, runs: Runs) -> None:
        self._sessions = SessionJourneyOrchestrator(runs, only=MVP.name)

    async def start_mvp_journey(
        self,
        user_id: str | None,
        initial_pillar: str | None = None,
        user_context: UserContext | None = None,
        *,
        idempotency_key: str | None = None,
    ) -> MVPView:
        """Starts a journey, outside of all pillars or in one of them. The same key and user give the same journey."""
        request = SessionRequest(MVP, initial_pillar, idempotency_key)
        return cast(MVPView, _pillars(await self._sessions.start(request, user_id, user_context)))

    async def navigate_to_pillar(
        self, session_id: str, pillar: str, user_context: UserContext | None = None
    ) -> PillarView:
        """Enters a pillar, any one at any time; what was done in the one that is left stays there."""
        return cast(PillarView, _pillars(await self._sessions.navigate_to_area(session_id, pillar, user_context)))

    async def get_pillar_state(
        self, session_id: str, pillar: str, user_context: UserContext | None = None
    ) -> PillarView:
        """What was done in a pillar."""
        return cast(PillarView, _pillars(await self._sessions.get_area_state(session_id, pillar, user_context)))

    async def update_pillar_progress(
        self, session_id: str, pillar: str, progress: Mapping[str, Any], user_context: UserContext | None = None
    ) -> PillarView:
        """Keeps what was done in a pillar, e.g. {"files_uploaded": True, "files": ["a.csv"]}."""
        done = await self._sessions.update_area_state(session_id, pillar, progress, user_context)
        return cast(PillarView, _pillars(done))

    async def get_mvp_progress(self, session_id: str, user_context: UserContext | None = None) -> MVPProgress:
        """How far it has come, pillar by pillar."""
        return cast(MVPProgress, _pillars(await self._sessions.get_session_progress(session_id, user_context)))

    async def get_recommended_next_pillar(
        self, session_id: str, user_context: UserContext | None = None
    ) -> RecommendedPillar:
        """The first pillar of the recommended order that is not complete. Only advice: any one may be entered."""
        progress = await self.get_mvp_progress(session_id, user_context)
        for pillar in progress["pillars"]:
            if not pillar["completed"]:
                return RecommendedPillar(
                    session_id=session_id, pillar=pillar["pillar"], title=pillar["title"], missing=pillar["missing"]
                )
        return RecommendedPillar(session_id=session_id, pillar=None, title=None, missing=[])

    async def check_mvp_completion(self, session_id: str, user_context: UserContext | None = None) -> MVPCompletion:
        """Are all pillars complete, and what is missing?"""
        progress = await self.get_mvp_progress(session_id, user_context)
        return MVPCompletion(
            session_id=session_id,
            completed=progress["completed"],
            percent=progress["percent"],
            missing={pillar["pillar"]: pillar["missing"] for pillar in progress["pillars"] if not pillar["completed"]},
        )

    async def end_mvp_journey(
        self, session_id: str, user_context: UserContext | None = None, *, reason: str | None = None
    ) -> MVPView:
        """Nothing can be changed any more; everything can still be read."""
        return cast(MVPView, _pillars(await self._sessions.end_session(session_id, user_context, reason=reason)))


def _pillars(view: Mapping[str, Any]) -> dict[str, Any]:
    """A session's view, with pillars for areas. What people keep in a pillar is not touched."""
    said = {key.replace("area", "pillar"): value for key, value in view.items()}
    if "pillars" in said:
        said["pillars"] = [_pillars(area) for area in said["pillars"]]
    return said
