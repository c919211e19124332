"""The table of rules in docs/operate/check.md, written from the rules themselves.

`python -m tierii_mta.campaigns.preflight.reference` prints it; a test compares it with the page.
"""

import sys
from collections.abc import Iterator

from tierii_mta.campaigns.preflight.profiles import Profile, all_profiles
from tierii_mta.campaigns.preflight.rules import RULES, Rule
from tierii_mta.quantities import format_duration


def rule_table() -> str:
    """Return the table of rules."""
    head = ["| rule | weight | what must hold | who asks | network | enqueue refuses |", "|---|---|---|---|---|---|"]
    return "\n".join([*head, *map(_row, RULES)]) + "\n"


def profile_table() -> str:
    """Return the table of profiles."""
    head = ["| profile | version | law | raises | asks for |", "|---|---|---|---|---|"]
    return "\n".join([*head, *map(_profile_row, all_profiles())]) + "\n"


def _row(rule: Rule) -> str:
    network = "needed" if rule.check is None else "in part" if rule.live else "no"
    mark = "for its errors" if rule.is_enforced else ""
    return f"| {rule.id} | {rule.severity} | {rule.title} | {rule.source} | {network} | {mark} |"


def _profile_row(profile: Profile) -> str:
    raises = ", ".join(f"{rule} to {severity}" for rule, severity in profile.severities.items())
    return f"| `{profile.name}` | {profile.version} | {profile.law} | {raises} | {'; '.join(_wishes(profile))} |"


def _wishes(profile: Profile) -> Iterator[str]:
    regions, columns = " or ".join(profile.regions), ", ".join(f"`{name}`" for name in profile.consent_columns)
    ages = " and ".join(f"`{basis}` for {format_duration(holds)}" for basis, holds in profile.consent_expires.items())
    wishes = {
        "`compliance.postal_address`": profile.postal_address,
        "`compliance.contact`": profile.contact,
        "`compliance.controller`, `compliance.privacy_url`": profile.privacy,
        "a word that says that it is advertising, or why it comes": profile.advertising,
        f"columns {columns}": profile.consent_columns,
        f"consent that has not ended: {ages}": profile.consent_expires,
        f"column `{profile.age_column}`": profile.age_column,
        f"column `{profile.region_column}` with {regions}": profile.region_column,
        "a licence number in every part": profile.licence,
        f"no wording about {', '.join(profile.phrases)}": profile.phrases,
        f"column `{profile.tracking_consent}` for whoever is tracked": profile.tracking_consent,
    }
    return (wish for wish, is_wanted in wishes.items() if is_wanted)


if __name__ == "__main__":
    sys.stdout.write(f"{rule_table()}\n{profile_table()}")
