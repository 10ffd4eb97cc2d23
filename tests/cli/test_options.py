"""Global options may stand anywhere, and never steal the value of another option."""

import pytest

from saga_journey.cli.options import REASON, Given, hoisted

TAKES = {"--db", "--tenant", "--user", "--reason", "--result"}


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ("get ID --json", "--json get ID"),
        ("get ID --db sqlite:///x.db", "--db sqlite:///x.db get ID"),
        ("get ID --db=sqlite:///x.db -y", "--db=sqlite:///x.db -y get ID"),
        ("--tenant a ls --user b", "--tenant a --user b ls"),
        ("retry ID --reason --json", "retry ID --reason --json"),
        ("get -- --json", "get -- --json"),
        ("get ID --db", "--db get ID"),
        ("history ID -f -v", "-v history ID -f"),
    ],
)
def test_hoisted(said: str, meant: str) -> None:
    assert hoisted(said.split(), TAKES) == meant.split()


def test_commands_that_we_print_can_be_pasted() -> None:
    given = Given(db="sqlite:///my file.db", db_said=True, tenant="a b")
    again = given.again("retry", "saga_1", "--reason", REASON)
    assert again == "saga retry saga_1 --reason \"…\" --db 'sqlite:///my file.db' --tenant 'a b'"


def test_a_database_from_the_environment_is_not_repeated() -> None:
    assert Given(db="sqlite:///elsewhere.db").again("ls") == "saga ls"


def test_a_password_is_not_repeated() -> None:
    given = Given(db="postgresql://app:s3cret@host/shop?pooler=transaction", db_said=True)
    assert given.again("ls") == "saga ls --db 'postgresql://app@host/shop?pooler=transaction'"
    assert given.database == "postgresql://app@host/shop?pooler=transaction"
