"""What one campaign mail costs to render and put together, apart from signing and the network.

`python -m benchmarks press [--mails 1000] [--rounds 3] [--html 20000] [--image 100000] [--variables 30] [--json]`

A newsletter of so much HTML with a style sheet, so many values in text and links, and one inline image; every mail
another contact's.  Ours is the plate that the press's workers print from, in this process; the peer is Jinja2 with
autoescape and the standard library's EmailMessage.  All take turns; CPU time, the median of the rounds.  Before, one
mail of each is read back: subject, values, image and styles must be there.

ours                    style sheets inlined, the text part made from the HTML
ours, every shape new   the same, with a value in a class: nothing can be remembered from mail to mail
ours, plain             no inlining, a text template
EmailMessage            no inlining, a text template
EmailMessage, inlined   css-inline over each page, a text template
"""

import argparse
import statistics
import time
from collections.abc import Callable, Mapping
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path

import css_inline
from jinja2 import Environment, StrictUndefined

from benchmarks import machine, report
from benchmarks.testbed import testbed_folder
from tierii_mta.authentication import dkim
from tierii_mta.authentication.keys import load_private_key
from tierii_mta.authentication.sign import sign
from tierii_mta.campaigns import specification
from tierii_mta.campaigns.expansion import expand
from tierii_mta.campaigns.plate import Job, Plate
from tierii_mta.campaigns.sender import Sender, SendingDomain
from tierii_mta.campaigns.snapshot import make_snapshot
from tierii_mta.clock import SystemClock
from tierii_mta.mail.address import Address

Print = Callable[[int], bytes]

_DOMAIN = "bench.example"
_SUBJECT = "{{ first_name }}, spring is here"
_SHEET = """
body { margin: 0; background: #f4f1ea; font-family: Georgia, "Times New Roman", serif; color: #2b2b2b; }
table { border-collapse: collapse; } .sheet td { padding: 12px 24px; font-size: 16px; line-height: 1.5; }
.item + .item td { border-top: 1px solid #e4dfd3; } .item a { color: #8a5a2b; text-decoration: none; }
.price { font-weight: bold; text-align: right; white-space: nowrap; } h1 { margin: 0 0 16px; font-size: 26px; }
.footer { padding: 16px; font-size: 12px; color: #6b6b6b; } .footer a { color: #6b6b6b; } a:hover { color: #000; }
a[x-apple-data-detectors] { color: inherit !important; }
@media (max-width: 620px) { .sheet td { padding: 8px !important; } }
"""
_WORDS = "Words that describe the thing in a sentence or two, so that there is something to read in this place. "
_CAMPAIGN = """\
campaign: {id: bench}
from: {name: Bench, email: news@bench.example}
subject: "SUBJECT"
template: {html: mail.html.j2, text: TEXT, inline_css: INLINE}
contacts: [{type: inline, items: [{email: a@bench.example}]}]
attachments: [{path: logo.png, inline: logo}]
"""


def main(arguments: list[str]) -> int:
    """Print a row for each way of making the mail."""
    options = argparse.ArgumentParser(prog="python -m benchmarks press")
    options.add_argument("--mails", type=int, default=1_000, help="of each, in each round")
    options.add_argument("--rounds", type=int, default=3)
    options.add_argument("--html", type=int, default=20_000, help="octets of the template")
    options.add_argument("--image", type=int, default=100_000, help="octets of the inline image")
    options.add_argument("--variables", type=int, default=30)
    options.add_argument("--json", action="store_true")
    chosen = options.parse_args(arguments)
    with testbed_folder() as folder:
        _write(folder, chosen.html, chosen.image, chosen.variables)
        ways = {
            "ours": _ours(folder, chosen.variables),
            "ours, every shape new": _ours(folder, chosen.variables, tones=True),
            "ours, plain": _ours(folder, chosen.variables, inlines=False),
            "EmailMessage": _peer(folder, chosen.variables),
            "EmailMessage, inlined": _peer(folder, chosen.variables, inlines=True),
        }
        for name, make in ways.items():
            _check(name, make(7), folder, is_inlined=not name.endswith("plain") and name != "EmailMessage")
        times = _take_turns(ways, chosen.mails, chosen.rounds)
        facts = {
            "html": chosen.html,
            "image": chosen.image,
            "variables": chosen.variables,
            "rsa_2048_ms": machine.signature_ms(),
            "signing_ms": _signing_ms(ways["ours"](7)),
        }
        rows = [
            {"way": name, "bytes": len(make(7)), "CPU ms/mail": round(times[name], 3)} for name, make in ways.items()
        ]
    ratios = {
        "EmailMessage / ours, plain": round(times["EmailMessage"] / times["ours, plain"], 1),
        "EmailMessage, inlined / ours": round(times["EmailMessage, inlined"] / times["ours"], 1),
    }
    report.tell(facts, rows, ratios, as_json=chosen.json)
    return 0


def _write(folder: Path, size: int, image: int, variables: int) -> None:
    """Write the templates: a row for each value, prose until the size is reached."""
    rows = "".join(
        f'<tr class="item {{{{ tone }}}}"><td><a href="https://shop.example/{number}?reader={{{{ reader }}}}">'
        f'Thing {number}</a></td><td class="price" align="right">{{{{ v{number} }}}}</td></tr>\n'
        for number in range(variables - 3)
    )
    head = f"<!doctype html>\n<html><head><title>Spring</title><style>{_SHEET}</style></head><body>\n"
    hello = '<img src="cid:logo" alt="Bench"><h1>Dear {{ first_name }}</h1>\n'
    foot = '<div class="footer"><a href="{{ unsubscribe_url }}">Unsubscribe</a></div></body></html>\n'
    fixed = len(head + hello + rows + foot) + 50
    prose = f"<p>{_WORDS}</p>\n" * max(0, (size - fixed) // (len(_WORDS) + 8))
    html = f'{head}<table class="sheet" width="600"><tr><td>{hello}{prose}</td></tr>\n{rows}</table>{foot}'
    text = "Dear {{ first_name }},\n\n" + "".join(f"Thing {n}: {{{{ v{n} }}}}\n" for n in range(variables - 3))
    (folder / "mail.html.j2").write_text(html, encoding="utf-8")
    (folder / "mail.txt.j2").write_text(text + "\nUnsubscribe: {{ unsubscribe_url }}\n", encoding="utf-8")
    (folder / "logo.png").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(range(1, 256)) * (image // 255))


def _contact(number: int, variables: int, tone: str) -> dict[str, str]:
    values = {f"v{each}": f"${each}{number % 7}.{number % 90 + 10}" for each in range(variables - 3)}
    person = {"email": f"p{number}@d{number % 20}.example", "first_name": f"Anna {number}", "reader": str(number)}
    return {**person, **values, "tone": tone}


def _unsubscribe_url(number: int) -> str:
    return f"https://bench.example/u/{number:060d}"


def _ours(folder: Path, variables: int, *, inlines: bool = True, tones: bool = False) -> Print:
    text = "auto" if inlines else "mail.txt.j2"
    file = _CAMPAIGN.replace("SUBJECT", _SUBJECT).replace("TEXT", text).replace("INLINE", str(inlines).lower())
    campaign = specification.parse(file, path=folder / "campaign.yaml")
    sender = Sender(
        domains={_DOMAIN: SendingDomain(name=_DOMAIN, return_path=_DOMAIN)}, public_url="https://bench.example"
    )
    now = SystemClock().now()
    plate = Plate(make_snapshot(campaign.specification, expand(campaign), sender=sender, now=now)[0])

    def make(number: int) -> bytes:
        contact = _contact(number, variables, f"t{number}" if tones else "calm")
        job = Job(
            recipient=Address.parse(contact["email"]),
            contact=contact,
            accepted_at=now,
            message_id=f"<{number}@{_DOMAIN}>",
            unsubscribe_url=_unsubscribe_url(number),
        )
        return plate.print(job).data

    return make


def _peer(folder: Path, variables: int, *, inlines: bool = False) -> Print:
    texts = {name: (folder / name).read_text(encoding="utf-8") for name in ("mail.html.j2", "mail.txt.j2")}
    html = Environment(autoescape=True, undefined=StrictUndefined).from_string(texts["mail.html.j2"])
    plain = Environment(undefined=StrictUndefined)
    text, subject = plain.from_string(texts["mail.txt.j2"]), plain.from_string(_SUBJECT)
    image = (folder / "logo.png").read_bytes()
    inliner = css_inline.CSSInliner(keep_at_rules=True, load_remote_stylesheets=False)

    def make(number: int) -> bytes:
        context: Mapping[str, str] = {
            **_contact(number, variables, "calm"),
            "unsubscribe_url": _unsubscribe_url(number),
        }
        mail = EmailMessage(policy=policy.SMTP)
        mail["From"] = f"Bench <news@{_DOMAIN}>"
        mail["To"] = f"{context['first_name']} <{context['email']}>"
        mail["Subject"] = subject.render(context)
        mail["Date"] = "Sat, 21 Nov 2026 10:30:00 +0000"
        mail["Message-ID"] = f"<{number}@{_DOMAIN}>"
        mail["List-Unsubscribe"] = f"<{context['unsubscribe_url']}>"
        mail.set_content(text.render(context))
        page = html.render(context)
        mail.add_alternative(inliner.inline(page) if inlines else page, subtype="html")
        body = mail.get_body(("html",))
        assert isinstance(body, EmailMessage)
        body.add_related(image, "image", "png", cid="<logo>")
        return mail.as_bytes()

    return make


def _check(name: str, data: bytes, folder: Path, *, is_inlined: bool) -> None:
    """Read a mail as a foreign parser does; SystemExit if it is not whole."""
    mail = message_from_bytes(data, policy=policy.default)
    html, text = (mail.get_body((kind,)) for kind in ("html", "plain"))
    images = [part.get_content() for part in mail.walk() if part.get_content_type() == "image/png"]
    page, words = (html.get_content() if html else ""), (text.get_content() if text else "")
    found = {
        "subject": mail["Subject"] == "Anna 7, spring is here",
        "image": images == [(folder / "logo.png").read_bytes()],
        "values": "Dear Anna 7" in page and _unsubscribe_url(7) in page and "$20.17" in words,
        "styles": ('<h1 style="margin: 0 0 16px;font-size: 26px' in page) is is_inlined,
    }
    if missing := [what for what, is_there in found.items() if not is_there]:
        raise SystemExit(f"{name}: the mail lacks {', '.join(missing)}")


def _take_turns(ways: Mapping[str, Print], mails: int, rounds: int) -> dict[str, float]:
    """Return CPU milliseconds a mail, the median of the rounds."""
    taken: dict[str, list[float]] = {name: [] for name in ways}
    for turn in range(rounds):
        for name, make in ways.items():
            started = time.process_time()
            for number in range(turn * mails, (turn + 1) * mails):
                make(number)
            taken[name].append(1000 * (time.process_time() - started) / mails)
    return {name: statistics.median(each) for name, each in taken.items()}


def _signing_ms(data: bytes, count: int = 100) -> float:
    """Return what signing such a mail with RSA-2048 costs, body hash and all."""
    key = dkim.DkimKey(_DOMAIN, "rsa", load_private_key(dkim.generate_key(dkim.KeyKind.RSA)))
    now, started = SystemClock().now(), time.process_time()
    for _ in range(count):
        sign(data, [key], now=now)
    return round(1000 * (time.process_time() - started) / count, 3)
