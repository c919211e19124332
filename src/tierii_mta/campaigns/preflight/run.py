"""A run of the rules over one campaign.

Owns the order: contacts are counted as `enqueue` reads them, specimens are made, the case is put together, then every
rule that applies is asked.  `check` and `plan` keep the findings; `enqueue` is refused for those that block.
Implements `campaigns.examination.Examiner`.
"""

import asyncio
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

from tierii_mta.campaigns.examination import Subject
from tierii_mta.campaigns.preflight.case import Case, Network, Opinions, Setup, Web
from tierii_mta.campaigns.preflight.census import Census
from tierii_mta.campaigns.preflight.destinations import look_up
from tierii_mta.campaigns.preflight.findings import Finding, Severity
from tierii_mta.campaigns.preflight.history import MailHistory
from tierii_mta.campaigns.preflight.knowledge import Knowledge, load_knowledge
from tierii_mta.campaigns.preflight.persons import CONSENT_COLUMNS
from tierii_mta.campaigns.preflight.profiles import Profile, load_profiles
from tierii_mta.campaigns.preflight.proof import Proof, prove
from tierii_mta.campaigns.preflight.rules import Rule, rules_for
from tierii_mta.campaigns.preflight.specimens import Samples
from tierii_mta.campaigns.preflight.volume import DAYS, by_known_provider, by_provider
from tierii_mta.campaigns.press import Press
from tierii_mta.campaigns.problems import CampaignInvalid
from tierii_mta.campaigns.segmenting import Providers
from tierii_mta.campaigns.sender import Sender
from tierii_mta.campaigns.specification import Campaign
from tierii_mta.campaigns.spool import Waiting
from tierii_mta.clock import Clock, later
from tierii_mta.mail.tokens import TokenCodec
from tierii_mta.outbound.shaping import OTHER
from tierii_mta.resolver.answer import Found, Resolver


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """What is asked over the network."""

    resolver: Resolver
    web: Web
    opinions: Opinions


@dataclass(frozen=True, slots=True, kw_only=True)
class Tools:
    """What a run works with."""

    codec: TokenCodec
    sender: Sender
    setup: Setup
    press: Press
    history: MailHistory
    clock: Clock


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """How far a run goes."""

    is_strict: bool = False
    enforced_only: bool = False  # leave out the rules that `enqueue` does not refuse for
    refuses: bool = False  # raise for what blocks
    sample: int = 0  # contacts looked at besides one of each kind
    renders_all: bool = False  # try the mail of everybody else too


class Preflight:
    """One run; what it found is there after `examine`."""

    def __init__(
        self,
        campaign: Campaign,
        tools: Tools,
        *,
        world: World | None,
        scope: Scope = Scope(),
        providers: Providers | None = None,
    ) -> None:
        """`world`: None leaves out what needs the network; `providers`: where the contacts' are known already.

        Raises `ConfigurationError` for a damaged data file.
        """
        self._campaign, self._tools, self._world, self._scope = campaign, tools, world, scope
        self._providers = providers
        self._knowledge: Knowledge = load_knowledge()
        self.profiles: tuple[Profile, ...] = load_profiles(campaign.specification.compliance.profiles)
        tallied = {CONSENT_COLUMNS[0], *(name for profile in self.profiles for name in profile.consent_columns[:1])}
        self.census = Census(sample=scope.sample, tallied=tallied, roles=self._knowledge.roles)
        self.findings: list[Finding] = []
        self.left_out: list[str] = []  # rules of which a part was not asked, for want of the network
        self.network: Network | None = None
        self.case: Case | None = None
        self.proof: Proof | None = None

    def see(self, contact: Waiting) -> None:
        self.census.see(contact)

    async def examine(self, subject: Subject) -> None:
        case = self.case = await self._case(subject)
        self.network = await self._ask_around() if self._world is not None else None
        for rule in rules_for(is_marketing=self._campaign.specification.is_marketing):
            if self._scope.enforced_only and not rule.is_enforced:
                continue
            await self._apply(rule, case)
        blocking = self.blocking
        if self._scope.refuses and (blocking or subject.problems):
            others = [finding.as_problem() for finding in blocking if finding.rule != "C2"]
            failures = [*subject.problems, *case.failures]
            raise CampaignInvalid([*failures, *others])

    @property
    def blocking(self) -> list[Finding]:
        """The errors."""
        return [finding for finding in self.findings if finding.severity is Severity.ERROR]

    @property
    def rendered(self) -> int:
        """How many contacts' mails were made."""
        if self.proof is not None:
            return self.proof.printed
        return len(self.case.specimens) if self.case is not None else 0

    @property
    def providers(self) -> Counter[str]:
        """Who is written to, by provider; all are `other` without the network."""
        if self._providers is not None:
            return by_known_provider(self.census.domains, self._providers.provider_of)
        if self.network is None:
            return Counter({OTHER: self.census.contacts}) if self.census.contacts else Counter()
        return by_provider(self.census.domains, self.network)

    async def _apply(self, rule: Rule, case: Case) -> None:
        faults = list(rule.check(case)) if rule.check is not None else []
        if rule.live is not None and self.network is not None:
            faults += await rule.live(case, self.network)
        elif rule.live is not None:
            self.left_out.append(rule.id)
        strict = self._scope.is_strict
        self.findings += [rule.finding(fault, self.profiles, is_strict=strict) for fault in faults]

    async def _case(self, subject: Subject) -> Case:
        tools = self._tools
        now = tools.clock.now()
        samples = Samples(subject, tools.codec, tools.sender, tools.press, tools.clock)
        is_printable = not subject.problems
        specimens = await samples.take(self.census.chosen) if is_printable else []
        if is_printable and self._scope.renders_all:
            most = tools.sender.max_message_bytes
            self.proof = await prove(subject, tools.press, tools.clock, max_bytes=most)
        case = Case(
            campaign=self._campaign,
            sender=tools.sender,
            domain=tools.sender.domain_of(self._campaign.specification.from_address),
            setup=tools.setup,
            codec=tools.codec,
            knowledge=self._knowledge,
            sources=subject.expansion.sources,
            attachments=subject.expansion.attachments,
            profiles=self.profiles,
            specimens=specimens,
            failures=list(self.proof.problems(str(self._campaign.path))) if self.proof else samples.failures,
            left_out=subject.left_out,
            problems=subject.problems,
            hostile=samples.hostile() if is_printable else None,
            census=self.census,
            survey=subject.survey,
            now=now,
        )
        if self._campaign.specification.is_marketing:
            return replace(case, history=await tools.history.days(since=later(now, -timedelta(days=DAYS))))
        return case

    async def _ask_around(self) -> Network:
        world, setup = self._world, self._tools.setup
        assert world is not None  # the caller asked
        return Network(
            resolver=world.resolver,
            web=world.web,
            opinions=world.opinions,
            addresses=await own_addresses(setup, world.resolver),
            destinations=await look_up(self.census.domains, world.resolver, setup.shaping),
        )


async def own_addresses(setup: Setup, resolver: Resolver) -> dict[str, str]:
    """Return every address the mail may leave from, with its EHLO name.

    Where the kernel chooses, the name's own addresses are taken: a receiver expects mail from there.
    """
    found: dict[str, str] = {}
    for source in setup.sources:
        named = [each for each in (source.address, source.address6) if each is not None]
        if not named:
            answers = await asyncio.gather(resolver.a(source.ehlo), resolver.aaaa(source.ehlo))
            named = [each for answer in answers if isinstance(answer, Found) for each in answer.records]
        found |= dict.fromkeys(named, source.ehlo)
    return found


def counted(findings: Iterable[Finding]) -> dict[str, int]:
    """Return how many findings there are of each severity."""
    by_severity = Counter(finding.severity for finding in findings)
    return {
        "errors": by_severity[Severity.ERROR],
        "warnings": by_severity[Severity.WARNING],
        "infos": by_severity[Severity.INFO],
    }


def grouped(findings: Sequence[Finding]) -> dict[str, list[Finding]]:
    """Return findings by group, the gravest first in each."""
    groups: dict[str, list[Finding]] = {}
    for finding in findings:
        groups.setdefault(finding.group, []).append(finding)
    return {group: sorted(found, key=lambda each: -each.severity.weight) for group, found in groups.items()}
