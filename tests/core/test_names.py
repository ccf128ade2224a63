"""Names of files."""

import pytest

from sod.core.errors import SodError
from sod.core.names import check_file_name, one_line


@pytest.mark.parametrize("name", ["../../x", "a/b", "a\\b", "", "..", " ", "a\nb", "C:", "a\0"])
def test_names_that_leave_their_folder_are_refused(name: str) -> None:
    with pytest.raises(SodError, match=r"^--label '.*give one without"):
        check_file_name(name, "--label")


def test_usual_names_are_kept() -> None:
    assert check_file_name("TokenCut+bilateral (ours), é", "x") == "TokenCut+bilateral (ours), é"


def test_any_name_is_shown_on_one_line() -> None:
    name = b"a\nb\xff[/]\x1b[31m\xc3\xa9.png".decode("utf-8", "surrogateescape")
    assert one_line(name) == "a\\nb\\udcff[/]\\x1b[31mé.png"
