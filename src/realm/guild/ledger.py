"""What the Guild remembers, as one door. Each subject has a part of its own, which alone writes its tables:
`campaign_ledger`, `examination_ledger` (with levels), `practice_ledger` (with tokens per level). `primitive_ledger`
only reads.
"""

from __future__ import annotations

from realm.guild.campaign_ledger import CampaignLedger
from realm.guild.practice_ledger import PracticeLedger


class GuildLedger(CampaignLedger, PracticeLedger):
    """Reads and writes the Guild's tables; each fact is recorded in the transaction of its row."""
