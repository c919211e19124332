"""The preflight, wired: which settings, ports and processes the rules of `check` work with.

Part of the composition root.  The web is asked by a client that is opened for one run; the resolver has a cache of its
own, so that an operator who has just mended a record is told so.
"""

from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from tierii_mta.campaigns.preflight.case import Setup
from tierii_mta.campaigns.preflight.run import Preflight, Scope, Tools, World
from tierii_mta.campaigns.preflight.specimens import OwnPress
from tierii_mta.campaigns.press import Press
from tierii_mta.campaigns.problems import CampaignInvalid, problem_at
from tierii_mta.campaigns.providers import MxProviders
from tierii_mta.campaigns.segmenting import Providers, segment_of
from tierii_mta.campaigns.specification import Campaign
from tierii_mta.consent.suppression import SuppressionList, SuppressionReason
from tierii_mta.daemon.installation import Installation
from tierii_mta.daemon.names import make_resolver
from tierii_mta.daemon.way_out import load_shaping, sources_of
from tierii_mta.mail.person import PersonKey


@dataclass(frozen=True, slots=True)
class KeptOpinions:
    """`Opinions` over the suppression list."""

    suppressions: SuppressionList

    async def has_left(self, person: PersonKey) -> bool:
        """Return whether an unsubscription of this person is kept."""
        found = await self.suppressions.find([person])
        return any(entry.reason is SuppressionReason.UNSUBSCRIBE for entry in found)


@asynccontextmanager
async def open_preflight(
    installation: Installation,
    campaign: Campaign,
    scope: Scope,
    *,
    is_live: bool,
    press: Press | None = None,
    providers: Providers | None = None,
) -> AsyncIterator[Preflight]:
    """Open a run for as long as the block lasts. `is_live`: ask the network; `press`: None prints in this process."""
    settings = installation.settings
    async with AsyncExitStack() as stack:
        world: World | None = None
        if is_live:
            from tierii_mta.campaigns.preflight.probe import open_probe  # noqa: PLC0415  httpx is slow to import

            resolver = make_resolver(settings, installation.clock)
            stack.push_async_callback(resolver.close)
            web = await stack.enter_async_context(open_probe())
            world = World(resolver=resolver, web=web, opinions=KeptOpinions(installation.suppression))
        tools = Tools(
            codec=installation.codec,
            sender=installation.sender,
            setup=setup_for(installation, campaign),
            press=press or OwnPress(installation.clock),
            history=installation.mail_history,
            clock=installation.clock,
        )
        yield Preflight(campaign, tools, world=world, scope=scope, providers=providers)


@asynccontextmanager
async def open_providers(
    installation: Installation, campaign: Campaign, *, is_live: bool
) -> AsyncIterator[MxProviders | None]:
    """Open what knows the contacts' providers, for as long as the block lasts; None if no segment asks for them."""
    segment = segment_of(campaign.specification)
    if segment is None or not segment.asks("provider"):
        yield None
        return
    settings = installation.settings
    shaping = load_shaping(settings)
    if not is_live:
        yield MxProviders(None, shaping)
        return
    resolver = make_resolver(settings, installation.clock)
    try:
        yield MxProviders(resolver, shaping)
    finally:
        await resolver.close()


def setup_for(installation: Installation, campaign: Campaign) -> Setup:
    """Return what the settings say about sending a campaign; raises `ConfigurationError` for damaged shaping."""
    settings = installation.settings
    sources = sources_of(settings)
    domain = settings.domains.get(campaign.specification.from_address.domain)
    pool = domain.pool if domain is not None else "default"
    pool = campaign.specification.campaign.pool or pool
    shaping = load_shaping(settings)
    _check_names(campaign, pools={source.pool for source in sources}, providers=shaping.providers)
    return Setup(
        hostname=settings.hostname,
        sources=tuple(source for source in sources if source.pool == pool) or sources,
        shaping=shaping,
        allows_loopback=settings.outbound.allow_loopback,
        enrolled=frozenset(settings.compliance.enrolled),
        blocklists=tuple(
            each.zone
            for each in settings.smtp.inbound.checks.lists
            if not (isinstance(each.weight, float) and each.weight <= 0)
        ),
    )


def _check_names(campaign: Campaign, *, pools: Collection[str], providers: Sequence[str]) -> None:
    """Raise `CampaignInvalid` for a pool or a provider that the settings do not know: it would count for nobody."""
    specification, document, problems = campaign.specification, campaign.document, []
    pool = specification.campaign.pool
    if pool is not None and pool not in pools:
        what = f"no source belongs to the pool {pool}; there are {', '.join(sorted(pools))}"
        problems.append(problem_at(document, ("campaign", "pool"), what, "name one of them, or see outbound.sources"))
    for name in specification.rate.per_provider if specification.rate is not None else ():
        if name not in providers:
            what = f"{name} is not a provider; there are {', '.join(providers)}"
            problems.append(problem_at(document, ("rate", "per_provider", name), what, "name one of them"))
    if problems:
        raise CampaignInvalid(problems)
