"""Every story of this folder, played against the engine: by packets, and by octets where that makes no difference."""

import pytest

from tests.dialogues.engine import EnginePeer
from tests.dialogues.script import FOLDER, Script, parse, play, scripts
from tierii_mta.smtp.conversation import COMMANDS

STORIES = scripts()
# What came behind a command in one packet is what these tell of.
IN_ONE_PACKET = {
    "bdat",
    "data_behind_an_auth_answer",
    "data_behind_auth",
    "data_behind_ehlo",
    "data_behind_helo",
    "http_is_hung_up_on",
    "message_before_354",
    "message_before_a_refused_data",
    "plaintext_behind_starttls",
}


@pytest.mark.parametrize("story", STORIES, ids=lambda story: story.name)
async def test_the_engine_says_what_the_story_tells(story: Script) -> None:
    peer = EnginePeer(story)
    await play(story, peer)
    assert not peer.unheard


@pytest.mark.parametrize(
    "story", [story for story in STORIES if story.name not in IN_ONE_PACKET], ids=lambda story: story.name
)
async def test_octet_by_octet_it_says_the_same(story: Script) -> None:
    await play(story, EnginePeer(story, cut="octets"))


def test_every_command_occurs_in_a_story() -> None:
    told = "".join(path.read_text().upper() for path in FOLDER.glob("*.txt"))
    assert not [verb for verb in COMMANDS if f" {verb}" not in told and verb not in ("CONNECT", "GET", "HEAD", "PUT")]


async def test_a_story_that_went_another_way_says_where() -> None:
    story = parse("wrong", "S: 220 *\nC: NOOP\nS: 550 *\n")
    with pytest.raises(AssertionError, match=r"wrong, step 2: .* the server said b'250 2.0.0 Ok"):
        await play(story, EnginePeer(story))


async def test_a_reply_nobody_expected_is_found() -> None:
    story = parse("silent", "S: 220 *\nC: EHLO a\nS: ...\nC: NOOP\n")
    with pytest.raises(AssertionError, match=r"the server also said"):
        await play(story, EnginePeer(story))


def test_a_line_nobody_knows_is_named() -> None:
    with pytest.raises(ValueError, match=r"odd\.txt, line 2: nonsense"):
        parse("odd", "# comment\nnonsense\n")
