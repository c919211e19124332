"""docs/reference/commands.md, written from the commands themselves.

`python -m tierii_mta.cli.reference` prints it; a test compares it with the file that is kept.
"""

import sys
from collections.abc import Iterator

import click

from tierii_mta.cli.main import root

_HEAD = """\
# Commands

<!-- Generated: python -m tierii_mta.cli.reference -->

Global options stand before or after the command. Data goes to stdout, progress and problems to stderr. With `--json`
stdout is NDJSON and its last line one summary object, also when the command fails (`error`, `what`, `where`, `remedy`,
`exit_code`). `NO_COLOR` is honoured; without a terminal progress is a line every 10 seconds.

Run as root, a command becomes the owner of `data_dir` first; run as anybody else it exits 78 and says how to run it.

| exit code | meaning |
|---|---|
| 0 | ok |
| 1 | unexpected; `-v -v` shows the traceback |
| 2 | usage |
| 3 | a check found errors |
| 4 | too many rejected contact rows |
| 5 | refused by policy or guard |
| 6 | not found |
| 7 | conflict: same id with other content, or a final campaign without `--reopen` |
| 75 | temporary: daemon, DNS or database |
| 78 | configuration |
| 130 | interrupted |
| 128 + N | ended by signal N, e.g. 143 for SIGTERM; what the command had started is ended too |
"""


def reference() -> str:
    """Return the page."""
    context = click.Context(root, info_name="tierii-mta", **root.context_settings)
    rows = [_row(param, context) for param in root.get_params(context) if not param.expose_value]
    head = [_HEAD, "## Global options", "", "| option | meaning |", "|---|---|", *filter(None, rows), ""]
    return "\n".join([*head, *_group(root, context)]).rstrip() + "\n"


def _group(group: click.Group, context: click.Context) -> Iterator[str]:
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        if command is None:
            continue
        inner = click.Context(command, info_name=name, parent=context)
        if isinstance(command, click.Group):
            yield from _group(command, inner)
        else:
            yield from _command(command, inner)


def _command(command: click.Command, context: click.Context) -> Iterator[str]:
    pieces = [piece for piece in command.collect_usage_pieces(context) if piece != "[OPTIONS]"]
    yield f"## `{' '.join([context.command_path, *pieces])}`"
    yield ""
    yield _paragraphs(command.help or "")
    yield ""
    rows = [_row(param, context) for param in command.params if param.expose_value and isinstance(param, click.Option)]
    shown = [row for row in rows if row]
    if shown:
        yield from ("| option | meaning |", "|---|---|", *shown, "")


def _row(param: click.Parameter, context: click.Context) -> str | None:
    record = param.get_help_record(context)
    return (
        f"| `{record[0].replace('|', chr(92) + '|')}` | {record[1].replace('|', chr(92) + '|')} |" if record else None
    )


def _paragraphs(text: str) -> str:
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in text.split("\n\n"))


if __name__ == "__main__":
    sys.stdout.write(reference())
