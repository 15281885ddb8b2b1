"""docs/reference/commands.md has the help of every command."""

from commands import PAGE, page


def test_the_page_is_the_help_of_the_program():
    assert PAGE.read_text() == page(), "run `make docs-commands`"
