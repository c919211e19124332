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

from dataclasses import dataclass
from pathlib import Path

from tierii_mta.campaigns.audience import Audience, Contact, Reject, Survey
from tierii_mta.campaigns.examination import Examiner, Subject
from tierii_mta.campaigns.expansion import Expansion, expand
from tierii_mta.campaigns.inquiry import Inquiry
from tierii_mta.campaigns.loading import Loader
from tierii_mta.campaigns.problems import CampaignInvalid
from tierii_mta.campaigns.rejects import RejectFile
from tierii_mta.campaigns.sender import Sender
from tierii_mta.campaigns.snapshot import make_snapshot
from tierii_mta.campaigns.specification import Campaign
from tierii_mta.campaigns.spool import Spool
from tierii_mta.campaigns.store import CampaignRecord, CampaignState, CampaignStore, Draft
from tierii_mta.campaigns.summary import Options, Progress, ShowProgress, Step, Summary
from tierii_mta.campaigns.template import names_used
from tierii_mta.clock import Clock
from tierii_mta.consent.suppression import SuppressionList
from tierii_mta.errors import CheckFailed, ConfigurationError, Conflict, NotFound, TooManyRejects, UsageError
from tierii_mta.mail.address import Address, InvalidAddress
from tierii_mta.mail.tokens import TokenCodec
from tierii_mta.quantities import parse_share
from tierii_mta.queue.crashes import FaultLog
from tierii_mta.queue.reserve import Reserve

_LOADABLE = frozenset({CampaignState.DRAFT, CampaignState.FAILED})
_FINAL = frozenset({CampaignState.COMPLETED, CampaignState.CANCELLED})
_SHOW_EVERY = 500


async def enqueue(
    campaign: Campaign,
    store: CampaignStore,
    codec: TokenCodec,
    *,
    sender: Sender,
    clock: Clock,
    suppression: SuppressionList | None = None,
    reserve: Reserve | None = None,
    folder: Path | None = None,
    options: Options | None = None,
    progress: ShowProgress | None = None,
    examiner: Examiner | None = None,
) -> Summary:
    """Check the campaign, then accept its contacts; the order stands in the module. Idempotent.

    Raises `CheckFailed` (3: file, template or contacts), `TooManyRejects` (4), `Refused` (5: From is not ours),
    `NotFound` (6: `only` is nobody), `Conflict` (7: the id has other content, or is final), `Unavailable` (75: `NoRoom`
    on the disk, among others; the same call goes on later). `suppression` lets a dry run count the suppressed; a real
    run leaves that to the store. `folder` is where contacts are put aside, some 150 octets each.
    """
    run = _Run(campaign, store, codec, sender, options or Options(), progress or _show_nothing, examiner)
    started = clock.monotonic()
    # With a limit, the first of the file are taken first.
    with Spool(folder, by_person=run.options.limit is None, reserve=reserve) as spool:
        prepared = await run.prepare(clock, spool)
        summary = prepared.summary
        loader = Loader(campaign.specification, store, clock, summary, limit=run.options.limit, reserve=reserve)
        if run.options.dry_run:
            await loader.count(spool, suppression=suppression, tell=examiner.count if examiner else None)
            summary.elapsed_s = clock.monotonic() - started
            return summary
        if reserve is not None:
            reserve.check()
        opened = await store.open_draft(prepared.draft, reopen=run.options.reopen)
        await loader.load(opened, spool, lifetime=sender.lifetime, show=run.show, total=prepared.rows)
    summary.elapsed_s = clock.monotonic() - started
    await store.start(campaign.id, report=summary.as_json(), now=clock.now(), opened=opened)
    return summary


@dataclass(frozen=True, slots=True)
class _Prepared:
    """A campaign that may be loaded."""

    draft: Draft
    rows: int
    summary: Summary  # of what will not be loaded


@dataclass(frozen=True, slots=True)
class _Run:
    """Steps 1 to 4: everything that can say no."""

    campaign: Campaign
    store: CampaignStore
    codec: TokenCodec
    sender: Sender
    options: Options
    show: ShowProgress
    examiner: Examiner | None

    async def prepare(self, clock: Clock, spool: Spool) -> _Prepared:
        specification = self.campaign.specification
        self.sender.domain_of(specification.from_address, where=self.campaign.document.where(("from", "email")))
        only = _parse_only(self.options.only)
        expansion = expand(self.campaign)
        self._check_links(expansion)
        draft = self._draft(expansion, clock)
        record = await self.store.find(self.campaign.id)
        self._check_state(record, draft)
        audience = Audience(
            self.campaign,
            header_fields=expansion.header_fields,
            key_of=self.codec.person_key,
            faults=FaultLog(clock),
        )
        survey, rejects_file = self._survey(audience, only, spool)
        await self._check_rejects(survey, record, draft, clock)
        max_bytes = self.sender.max_message_bytes
        inquiry = Inquiry(self.campaign, expansion, draft.snapshot, max_bytes=max_bytes, now=clock.now())
        await self._examine(
            Subject(
                campaign=self.campaign,
                expansion=expansion,
                snapshot=draft.snapshot,
                survey=survey,
                problems=tuple(inquiry.problems(survey)),
            )
        )
        summary = Summary(campaign=self.campaign.id, notices=self._notices(audience, survey), rejects_file=rejects_file)
        if only is None:
            summary.rejected, summary.excluded = survey.rejected, survey.excluded
        return _Prepared(draft, survey.rows, summary)

    async def _examine(self, subject: Subject) -> None:
        if self.examiner is not None:
            await self.examiner.examine(subject)
        elif subject.problems:
            raise CampaignInvalid(subject.problems)

    def _check_links(self, expansion: Expansion) -> None:
        texts = expansion.sources.texts.items()
        is_needed = self.campaign.specification.is_marketing or any(
            use.name == "unsubscribe_url" for name, text in texts for use in names_used(text, file=name)
        )
        if is_needed and not self.sender.public_url:
            raise ConfigurationError(
                "is not set, so no unsubscribe link can be made",
                where="web.public_url",
                remedy="set it to the https address under which recipients reach this installation",
            )

    def _draft(self, expansion: Expansion, clock: Clock) -> Draft:
        specification = self.campaign.specification
        now = clock.now()
        snapshot, fingerprint = make_snapshot(specification, expansion, sender=self.sender, now=now)
        return Draft(
            id=self.campaign.id,
            name=specification.name,
            is_marketing=specification.is_marketing,
            priority=specification.priority,
            list_id=specification.list_id,
            fingerprint=fingerprint,
            snapshot=snapshot,
            created_at=now,
        )

    def _check_state(self, record: CampaignRecord | None, draft: Draft) -> None:
        if record is None or record.state in _LOADABLE:
            return
        if record.fingerprint != draft.fingerprint:
            raise Conflict(
                f"the campaign {draft.id} exists with other content ({record.state})",
                where=self.campaign.document.where(("campaign", "id")),
                remedy="give this one another id; a campaign that was accepted does not change",
            )
        if record.state in _FINAL and not self.options.reopen:
            raise Conflict(
                f"the campaign {draft.id} is {record.state}",
                where=self.campaign.document.where(("campaign", "id")),
                remedy="run it again for new recipients with --reopen",
            )

    def _survey(self, audience: Audience, only: Address | None, spool: Spool) -> tuple[Survey, str | None]:
        survey, is_anybody = Survey(), only is None
        path = self.campaign.folder / f"{self.campaign.id}.rejects.csv"
        with RejectFile(path, audience.columns) as rejects:
            for verdict in audience.verdicts():
                survey.count(verdict)
                if isinstance(verdict, Contact):
                    address = verdict.address
                    if self.examiner is not None:
                        self.examiner.see(verdict)
                    if only is None or address.key == only.key:
                        is_anybody = True
                        spool.put(verdict.person, str(address), address.domain, verdict.fields)
                elif isinstance(verdict, Reject):
                    rejects.add(verdict.file, verdict.line, verdict.reason, verdict.columns, verdict.cells)
                if survey.rows % _SHOW_EVERY == 0:
                    self.show(Progress(step=Step.CHECKING, rows=survey.rows, rejected=survey.rejected))
        if not is_anybody:
            raise NotFound(f"{only} is not among the contacts", where=str(self.campaign.path))
        return survey, str(path) if survey.rejected else None

    async def _check_rejects(self, survey: Survey, record: CampaignRecord | None, draft: Draft, clock: Clock) -> None:
        """Refuse an audience with too many rejects, or with nobody in it. A first loading ends `failed` for it."""
        if survey.rows == 0:
            raise CheckFailed("the feeds hold no contacts", where=self.campaign.document.where(("contacts",)))
        if survey.contacts == 0 and survey.rejected == 0:
            raise CheckFailed("every contact is excluded", where=self.campaign.document.where(("exclude",)))
        if survey.rejected <= self._rejects_allowed(survey):
            return
        reason = self._reject_sentence(survey)
        if not self.options.dry_run and (record is None or record.state in _LOADABLE):
            await self.store.open_draft(draft)
            await self.store.fail(draft.id, reason=reason, now=clock.now())
        raise TooManyRejects(
            reason,
            where=self.campaign.document.where(("contacts",)),
            remedy=f"see {self.campaign.folder / (self.campaign.id + '.rejects.csv')}; mend the rows, or raise "
            "schema.max_rejects",
        )

    def _rejects_allowed(self, survey: Survey) -> float:
        schema = self.campaign.specification.schema_
        if schema.on_invalid == "fail" or survey.contacts + survey.excluded == 0:
            return 0
        if schema.max_rejects is None:
            return survey.rows
        if isinstance(schema.max_rejects, int):
            return schema.max_rejects
        return parse_share(schema.max_rejects) * survey.rows

    def _reject_sentence(self, survey: Survey) -> str:
        worst = "; ".join(f"{count} × {reason}" for reason, count in survey.reasons.most_common(3))
        return f"{survey.rejected} of {survey.rows} rows were rejected ({worst})"

    def _notices(self, audience: Audience, survey: Survey) -> tuple[str, ...]:
        notices = list(audience.notices)
        fields = {name for names in survey.field_sets for name in names}
        for name in self.campaign.specification.schema_.types:
            if name not in fields:
                where = self.campaign.document.where(("schema", "types", name))
                notices.append(f"{where}: no contact has this field")
        url = self.sender.public_url or ""
        if self.campaign.specification.is_marketing and not url.startswith("https://"):
            notices.append(f"web.public_url: {url} is not https, which one-click unsubscribing needs (RFC 8058)")
        return tuple(notices)


def _parse_only(only: str | None) -> Address | None:
    try:
        return Address.parse(only) if only is not None else None
    except InvalidAddress as cause:
        raise UsageError(f"{only} {cause}", where="--only") from cause


def _show_nothing(progress: Progress) -> None:
    """Nobody watches."""
