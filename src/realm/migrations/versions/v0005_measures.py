"""What a method measured beside the loss, at each step."""

import sqlalchemy as sa
from alembic import op

revision = "0005_measures"
down_revision = "0004_sparring_awards"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("metric", sa.Column("measures", sa.Text(), nullable=True))


def downgrade() -> None:
    op.drop_column("metric", "measures")
