"""`enqueue`: a campaign file becomes deliveries.

Owns the order of things, so that nothing is ever half-enqueued:

1. the file was read whole (`specification.load`); its From domain must be ours
2. templates and attachments are gathered (`expansion.expand`) and fixed (`snapshot.make_snapshot`)
3. a first pass over the audience judges every row, writes the reject file, counts (`audience.Survey`) and puts the
   contacts aside (`spool.Spool`)
4. too many rejects end it here; each kind of contact is tried (`inquiry.Inquiry`), the examiner is asked
5. the draft is opened, a second pass adds what was put aside (`loading.Loader`), one last commit starts the campaign

A run that is killed in step 5 leaves a draft from which nothing is sent; the same command goes on where it stopped,
because a person can be a recipient of a campaign once only.  Reads files; commits through the CampaignStore port.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tierii_mta.campaigns.admission import Known, rules_of
from tierii_mta.campaigns.audience import Audience, Enrichment, Survey
from tierii_mta.campaigns.calendar import compile_plan, remarks
from tierii_mta.campaigns.compliance import Compliance, compliance_of
from tierii_mta.campaigns.draft import check_links, check_start, check_state, is_loadable, make_draft
from tierii_mta.campaigns.examination import Examiner, Subject
from tierii_mta.campaigns.expansion import Expansion, expand
from tierii_mta.campaigns.feeds import Feed, Sources, open_feeds
from tierii_mta.campaigns.inquiry import Inquiry
from tierii_mta.campaigns.loading import Loader
from tierii_mta.campaigns.problems import CampaignInvalid, Problem
from tierii_mta.campaigns.recency import RecentMail
from tierii_mta.campaigns.rejects import RejectFile
from tierii_mta.campaigns.screening import Screen, Sieve
from tierii_mta.campaigns.segmenting import Providers
from tierii_mta.campaigns.sender import Sender
from tierii_mta.campaigns.specification import Campaign
from tierii_mta.campaigns.spool import Order, Spool, Waiting
from tierii_mta.campaigns.stages import Meter, Stage
from tierii_mta.campaigns.store import CampaignRecord, CampaignState, CampaignStore, Draft
from tierii_mta.campaigns.summary import Options, Progress, ShowProgress, Step, Summary
from tierii_mta.campaigns.tolerance import check_rejects
from tierii_mta.clock import Clock
from tierii_mta.consent.suppression import SuppressionList
from tierii_mta.errors import CheckFailed, NotFound, TooManyRejects, UsageError
from tierii_mta.mail.address import Address, InvalidAddress
from tierii_mta.mail.tokens import TokenCodec
from tierii_mta.queue.reserve import Reserve

_MAX_PROBLEMS = 1000


async def enqueue(
    campaign: Campaign,
    store: CampaignStore,
    codec: TokenCodec,
    *,
    sender: Sender,
    clock: Clock,
    suppression: SuppressionList | None = None,
    sources: Sources | None = None,
    recent: RecentMail | None = None,
    providers: Providers | None = None,
    enrichments: Sequence[Enrichment] = (),
    screens: Sequence[Screen] = (),
    reserve: Reserve | None = None,
    folder: Path | None = None,
    options: Options | None = None,
    progress: ShowProgress | None = None,
    examiner: Examiner | None = None,
) -> Summary:
    """Check the campaign, then accept its contacts; the order stands in the module. Idempotent.

    Raises `CheckFailed` (3: file, template or contacts), `TooManyRejects` (4), `Refused` (5: From is not ours, or a
    feed leads where we may not go), `NotFound` (6: `only` is nobody), `Conflict` (7: the id has other content, or is
    final), `Unavailable` (75: a feed does not answer, `NoRoom` on the disk, among others; the same call goes on later).
    `suppression` tells who is left out by it; the store has the last word. `recent` tells who had mail of other
    campaigns. `providers` knows the providers that a segment may ask for. `enrichments` and `screens` come before
    those of the campaign file. `folder` is where contacts are put aside, some 300 octets each.
    """
    meter, options = Meter(clock), options or Options()
    run = _Run(campaign, store, codec, sender, clock, meter, options, progress or _show_nothing, examiner)
    started = clock.monotonic()
    # With a limit, the first of the file are taken first.
    order = Order.GIVEN if options.limit is None else Order.NUMBER
    with (
        Spool(folder, order=Order.PERSON, reserve=reserve) as judged,
        Spool(folder, order=order, reserve=reserve) as chosen,
    ):
        draft, record = await run.draft()
        domain = sender.domain_of(campaign.specification.from_address)
        plan = compile_plan(campaign, pool=domain.pool, now=clock.now(), at=options.at)
        check_start(record, options.at)
        async with open_feeds(campaign, sources or Sources(), clock=clock, meter=meter) as feeds:
            names = [feed.name for feed in feeds]
            await run.judge(feeds, [*enrichments, *([providers] if providers is not None else [])], judged)
        await run.check_rejects(record, draft)
        known = Known(suppression=suppression, recent=recent, providers=providers)
        rules = rules_of(campaign, clock, known, columns=run.columns)
        await run.screen([*screens, *rules, run.compliance], names, judged, chosen)
        summary = await run.inquire(draft, names, chosen)
        if is_loadable(record):
            summary.notices += remarks(plan, clock.now())
        loader = Loader(
            campaign.specification, store, clock, summary, meter=meter, plan=plan, limit=options.limit, reserve=reserve
        )
        if options.dry_run:
            loader.count(chosen)
            summary.stages, summary.elapsed_s = meter.as_json(), clock.monotonic() - started
            return summary
        if reserve is not None:
            reserve.check()
        opened = await store.open_draft(draft, reopen=options.reopen)
        await loader.load(opened, chosen, lifetime=sender.lifetime, show=run.show, total=run.survey.rows)
    summary.stages, summary.elapsed_s = meter.as_json(), clock.monotonic() - started
    is_planned = opened.state is CampaignState.DRAFT or options.at is not None
    await store.start(
        campaign.id, report=summary.report(), now=clock.now(), plan=plan if is_planned else None, opened=opened
    )
    return summary


@dataclass(slots=True)
class _Run:
    """Steps 1 to 5: everything that can say no."""

    campaign: Campaign
    store: CampaignStore
    codec: TokenCodec
    sender: Sender
    clock: Clock
    meter: Meter
    options: Options
    show: ShowProgress
    examiner: Examiner | None
    survey: Survey = field(default_factory=Survey)
    notices: list[str] = field(default_factory=list)
    columns: set[str] = field(default_factory=set)  # fields that contacts have
    compliance: Compliance = field(init=False)
    _expansion: Expansion = field(init=False)

    def __post_init__(self) -> None:
        self.compliance = compliance_of(self.campaign.specification, now=self.clock.now())

    async def draft(self) -> tuple[Draft, CampaignRecord | None]:
        """Return what would be sent, and what the store knows under its id."""
        specification = self.campaign.specification
        self.sender.domain_of(specification.from_address, where=self.campaign.document.where(("from", "email")))
        self._expansion = expand(self.campaign)
        check_links(self.campaign, self._expansion, self.sender)
        draft = make_draft(self.campaign, self._expansion, sender=self.sender, now=self.clock.now())
        record = await self.store.find(self.campaign.id)
        check_state(self.campaign, record, draft, reopen=self.options.reopen)
        return draft, record

    async def judge(self, feeds: Sequence[Feed], enrichments: Sequence[Enrichment], spool: Spool) -> None:
        """Read the feeds: contacts are put aside, rejects written down, both counted."""
        only, is_anybody = _parse_only(self.options.only), self.options.only is None
        audience = Audience(
            self.campaign.specification,
            feeds,
            header_fields=self._expansion.header_fields,
            key_of=self.codec.person_key,
            clock=self.clock,
            meter=self.meter,
            enrichments=enrichments,
        )
        numbers = {feed.name: number for number, feed in enumerate(feeds)}
        survey, fields = self.survey, self.columns
        with RejectFile(self._beside("rejects"), audience.columns) as rejects:
            async for batch in audience.judged():
                for names in {tuple(contact.fields) for contact in batch.contacts}:
                    fields.update(names)
                wanted = [each for each in batch.contacts if only is None or each.address.key == only.key]
                is_anybody = is_anybody or bool(wanted)
                for place, (line, file, address, person, cells) in enumerate(wanted, start=len(spool)):
                    spool.put(Waiting(person, place, str(address), address.domain, cells, numbers[file], line))
                for reject in batch.rejects:
                    survey.count_reject(reject)
                    rejects.add((reject.file, reject.line), reject.stage, reject.reason, reject.columns, reject.cells)
                survey.rows += len(batch.contacts) + len(batch.rejects)
                self.show(Progress(step=Step.CHECKING, rows=survey.rows, rejected=survey.rejected))
        if not is_anybody:
            raise NotFound(f"{only} is not among the contacts", where=str(self.campaign.path))
        self.notices = self._notices(audience.notices)

    async def screen(self, rules: Sequence[Screen], feeds: Sequence[str], judged: Spool, chosen: Spool) -> None:
        """Put aside who is written to, write down who is not; refuse an audience in which nobody is left."""
        on_conflict = self.campaign.specification.dedupe.on_conflict
        twice: list[Problem] = []
        self.show(Progress(step=Step.SCREENING, rows=self.survey.rows, rejected=self.survey.rejected))
        with RejectFile(self._beside("left-out"), ("email",)) as left_out:

            def note(contact: Waiting, stage: Stage, reason: str) -> None:
                left_out.add((feeds[contact.feed], contact.line), stage, reason, ("email",), (contact.recipient,))
                if stage is Stage.DEDUPE and on_conflict == "error" and len(twice) < _MAX_PROBLEMS:
                    where = f"{feeds[contact.feed]}:{contact.line}"
                    twice.append(Problem(where, f"{contact.recipient} {reason}", line=contact.number))

            sieve = Sieve(
                rules, on_conflict=on_conflict, feeds=feeds, left_out=note, clock=self.clock, meter=self.meter
            )
            see = self.examiner.see if self.examiner is not None else None
            await sieve.run(judged, chosen, self.survey, see=see)
        if twice:
            raise CampaignInvalid(twice)
        self._check_anybody(len(judged))

    def _check_anybody(self, judged: int) -> None:
        """Refuse a campaign whose own rules leave nobody; that all are suppressed may happen to a rerun."""
        gone = sum(self._left_out(stage) for stage in (Stage.DEDUPE, Stage.SEGMENT, Stage.EXCLUDE))
        barred = self.compliance.left_out.total()
        if self.survey.contacts or judged != gone + barred:
            return
        what, remedy = "every contact is excluded or out of the segment", "check both rules"
        if barred:
            what = f"nobody may be written to: {self.compliance.worst()}"
            remedy = "fill these columns (map renames yours); see docs/operate/check.md"
        raise CheckFailed(what, where=self.campaign.document.where(("contacts",)), remedy=remedy)

    async def inquire(self, draft: Draft, feeds: Sequence[str], chosen: Spool) -> Summary:
        """Try each kind of contact, ask the examiner; return what will not be loaded."""
        max_bytes = self.sender.max_message_bytes
        inquiry = Inquiry(self.campaign, self._expansion, draft.snapshot, max_bytes=max_bytes, now=self.clock.now())
        await self._examine(
            Subject(
                campaign=self.campaign,
                expansion=self._expansion,
                snapshot=draft.snapshot,
                survey=self.survey,
                feeds=feeds,
                left_out=self.compliance.left_out,
                problems=tuple(inquiry.problems(self.survey)),
                contacts=chosen,
                show=self.show,
            )
        )
        is_whole = self.options.only is None
        rejects, left_out = self._beside("rejects"), self._beside("left-out")
        return Summary(
            campaign=self.campaign.id,
            rejected=self.survey.rejected if is_whole else 0,
            duplicates=self._left_out(Stage.DEDUPE),
            suppressed=self._left_out(Stage.CONSENT),
            excluded=self._left_out(Stage.EXCLUDE),
            unsegmented=self._left_out(Stage.SEGMENT),
            rejects_file=str(rejects) if self.survey.rejected else None,
            left_out_file=str(left_out) if left_out.exists() else None,
            notices=(*self.notices, *self._barred()),
            compliance=self.compliance.report(),
        )

    async def _examine(self, subject: Subject) -> None:
        if self.examiner is not None:
            await self.examiner.examine(subject)
        elif subject.problems:
            raise CampaignInvalid(subject.problems)

    def _left_out(self, stage: Stage) -> int:
        return self.meter[stage].left_out

    def _barred(self) -> list[str]:
        counts = self.compliance.left_out.most_common()
        return [f"{count} contacts may not be written to: {demand}" for demand, count in counts]

    def _beside(self, kind: str) -> Path:
        return self.campaign.folder / f"{self.campaign.id}.{kind}.csv"

    async def check_rejects(self, record: CampaignRecord | None, draft: Draft) -> None:
        """Refuse an audience with too many rejects, or with no rows. A first loading ends `failed` for it."""
        try:
            check_rejects(self.survey, self.campaign, file=self._beside("rejects"))
        except TooManyRejects as refusal:
            if not self.options.dry_run and is_loadable(record):
                await self.store.open_draft(draft)
                await self.store.fail(draft.id, reason=refusal.what, now=self.clock.now())
            raise

    def _notices(self, of_feeds: Sequence[str]) -> list[str]:
        notices = list(of_feeds)
        for name in self.campaign.specification.schema_.types:
            if name not in self.columns:
                where = self.campaign.document.where(("schema", "types", name))
                notices.append(f"{where}: no contact has this field")
        url = self.sender.public_url or ""
        if self.campaign.specification.is_marketing and not url.startswith("https://"):
            notices.append(f"web.public_url: {url} is not https, which one-click unsubscribing needs (RFC 8058)")
        return notices


def _parse_only(only: str | None) -> Address | None:
    try:
        return Address.parse(only) if only is not None else None
    except InvalidAddress as cause:
        raise UsageError(f"{only} {cause}", where="--only") from cause


def _show_nothing(progress: Progress) -> None:
    """Nobody watches."""
