"""Style sheets, written into the elements of a page."""

import pytest

from tierii_mta.campaigns.inlining import Inliner, attributes_that_matter
from tierii_mta.campaigns.markup import marks


def inlined(page: str) -> str:
    return Inliner().inline(page, list(marks(page)))


@pytest.mark.parametrize(
    ("sheet", "tags", "expected"),
    [
        ("p{margin:0}", "<p>x</p>", '<p style="margin: 0">x</p>'),
        (".a{top:0}", "<P CLASS=a>x<br class='a'/>", '<P CLASS=a style="top: 0">x<br class=\'a\' style="top: 0" />'),
        ("p{top:0}#i{top:1px}.c{top:2px}", "<p id=i class=c>", '<p id=i class=c style="top: 1px">'),
        ("p{top:0;left:0}", "<p style='top:5px'>", '<p style="left: 0;top: 5px">'),
        ("p{top:0 !important}", "<p style='top:5px'>", '<p style="top: 0 !important">'),
        ('p{font:"A B",c}', "<p title=\"style='x'\">", "<p title=\"style='x'\" style=\"font: 'A B',c\">"),
        ("td > p{top:0}", "<table><td><p>a<td><p>b", '<table><td><p style="top: 0">a<td><p style="top: 0">b'),
        ("a{top:0}", "<a href='?a=1&amp;b' title=\"a > b\">", '<a href=\'?a=1&amp;b\' title="a > b" style="top: 0">'),
    ],
)
def test_an_element_gets_what_the_cascade_gives_it(sheet: str, tags: str, expected: str) -> None:
    assert inlined(f"<style>{sheet}</style>{tags}") == expected


def test_what_cannot_be_inlined_stays_in_its_sheet() -> None:
    page = (
        "<style type='text/css'>a{top:0} a:hover{left:0} @media (max-width:600px){a{top:1px!important}}"
        " @font-face{font-family:X;src:url(x.woff)}</style><a>x</a>"
    )
    made = inlined(page)
    assert made.startswith("<style type='text/css'>\na:hover")
    assert "@media (max-width:600px){a{top:1px!important}}" in made
    assert "@font-face" in made
    assert made.endswith('</style><a style="top: 0">x</a>')


@pytest.mark.parametrize(
    "page",
    [
        "<p>no sheet</p>",
        "<style media='print'>p{top:0}</style><p>x</p>",
        "<style data-css-inline='ignore'>p{top:0}</style><p>x</p>",
        "<!--[if mso]><style>p{top:0}</style><p><![endif]--><p>x</p>",
        "<link rel='stylesheet' href='file:///etc/passwd'><p>x</p>",
        "<style>.other{top:0",
        "a < b",
        "",
    ],
)
def test_the_rest_of_a_page_stays_as_it_is_written(page: str) -> None:
    assert inlined(page).replace(" { top: 0; }", "{top:0").replace("\n", "") == page


def test_conditional_comments_and_odd_markup_survive() -> None:
    page = (
        "<!doctype html>\n<html>\n<head><style>u{top:0}</style></head><body><u style='top: 0'>x</u>"
        "<!--[if mso]><table><tr><td><![endif]--><![if !mso]><td>x</td><![endif]><o:p>&nbsp;</o:p>&copy;<br/>"
        "<!--[if (gte mso 9)|(IE)]></td></tr></table><![endif]--></body></html>"
    )
    assert inlined(page) == page.replace("<style>u{top:0}</style>", "")


def test_attributes_in_selectors_matter() -> None:
    page = "<style>a[href^='x'], [ data-K ], *[xlink|Title=q]{top:0}</style>"
    assert attributes_that_matter(marks(page)) >= {"class", "id", "style", "href", "data-k", "title"}
    assert "href" not in attributes_that_matter(marks("<style>.a{top:0}</style>"))
