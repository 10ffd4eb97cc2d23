"""What the wheel carries beside the package: the examples, so that `saga template use --example` can copy them."""

from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class Examples(BuildHookInterface[Any]):
    """An editable install finds them in the checkout instead."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        if version == "standard":
            build_data["force_include"]["examples"] = "saga_journey/journey_templates/examples"
