"""What each example adds to the world when its saga is completed, as its own books say it."""

import hashlib
import json

CONTENT = {"deep/list.txt": b"caf\xe9\n", "notes.txt": b"one & two\r\nthree\r\n", "readme.md": b"# Spring\n"}

HTML = {
    "deep/list.txt": "<pre>\ncafé\n</pre>\n",
    "notes.txt": "<pre>\none &amp; two\nthree\n</pre>\n",
    "readme.md": "<pre>\n# Spring\n</pre>\n",
}
NAMES = ["Ada", "Grace", "Charles", "Edsger", "Barbara", "Alan", "Kathleen", "Donald", "Frances", "Tony"]


def digest(content: str | bytes, length: int = 8) -> str:
    return hashlib.sha256(content.encode() if isinstance(content, str) else content).hexdigest()[:length]


INDEX = json.dumps({name: digest(content, 64) for name, content in CONTENT.items()}, indent=2)
EFFECTS: dict[str, set[str]] = {
    "account_onboarding": {
        "record of A-1: Ada, 36",
        "question of A-1: grace, an account for Ada?",
        "account of A-1: ACC-A-1, approved by grace",
        "letter of A-1: Welcome, Ada: ACC-A-1",
    },
    "compliance_workflow": {
        "C-1 opened a shell company",
        "C-1 evidence 3 transactions",
        "C-1 assessed score 100",
        "C-1 reported to the regulator",
        "C-1 closed",
    },
    "content_migration": {
        "store/spring",
        "store/spring/originals",
        "store/spring/originals/deep",
        *(f"store/spring/originals/{name} {digest(content)}" for name, content in CONTENT.items()),
        f"store/spring/index.json {digest(INDEX)}",
        "store/spring/html",
        "store/spring/html/deep",
        *(f"store/spring/html/{name}.html {digest(content)}" for name, content in HTML.items()),
    },
    "money_transfer": {
        "north: ada has 17500 EUR cents",
        "south: grace has 17500 EUR cents",
        "statement of ada: TR-1: -12500",
        "statement of grace: TR-1: 12500",
    },
    "payment_with_pivot": {
        "ada has 15010 cents",
        "lamps-and-more has 4990 cents",
        "4990 cents of ada are captured",
        "note to lamps-and-more: P-1 is paid",
        "receipt: P-1: ada paid 4990 cents",
    },
    "travel_booking": {
        "T-1 has a car",
        "T-1 has a flight",
        "T-1 has a hotel",
        "1 × car free",
        "8 × flight free",
        "3 × hotel free",
        "ada has 415500 cents",
    },
    "wave_migration": {
        "there is a table customers_new",
        "readers look into customers_new",
        *(f"customers_new: {row}" for row in enumerate(NAMES, start=1)),
    },
}
"""What a completed example adds to what was there."""
