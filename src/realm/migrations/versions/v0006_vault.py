"""Assets with their places, versions, leases, and room on the disk over time."""

import sqlalchemy as sa
from alembic import op

revision = "0006_vault"
down_revision = "0005_measures"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "asset",
        sa.Column("id", sa.String(length=250), nullable=False),
        sa.Column("kind", sa.String(length=20), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("origin", sa.String(length=200), nullable=False),
        sa.Column("created", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_asset_kind", "asset", ["kind", "name"], unique=False)
    op.create_index("ix_asset_origin", "asset", ["origin"], unique=False)
    op.create_table(
        "asset_location",
        sa.Column("asset", sa.String(length=250), nullable=False),
        sa.Column("zone", sa.String(length=20), nullable=False),
        sa.Column("path", sa.Text(), nullable=False),
        sa.Column("state", sa.String(length=12), nullable=False),
        sa.Column("checked", sa.Float(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("asset", "zone"),
    )
    op.create_table(
        "version",
        sa.Column("name", sa.String(length=80), nullable=False),
        sa.Column("checkpoint", sa.String(length=200), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("time", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("name"),
    )
    op.create_index("ix_version_checkpoint", "version", ["checkpoint"], unique=False)
    op.create_table(
        "checkpoint_lease",
        sa.Column("token", sa.String(length=40), nullable=False),
        sa.Column("checkpoint", sa.String(length=200), nullable=False),
        sa.Column("purpose", sa.String(length=10), nullable=False),
        sa.Column("holder", sa.String(length=80), nullable=False),
        sa.Column("until", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("token"),
    )
    op.create_index("ix_checkpoint_lease", "checkpoint_lease", ["checkpoint", "until"], unique=False)
    op.create_table(
        "disk_sample",
        sa.Column("time", sa.Float(), nullable=False),
        sa.Column("free_bytes", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("time"),
    )
    op.create_index("ix_checkpoint_created", "checkpoint", ["created"], unique=False)
    # Every checkpoint that lies in the workspace was hashed when it was sealed.
    op.execute(
        "INSERT INTO asset_location (asset, zone, path, state, checked, reason) "
        "SELECT id, 'hot', path, 'verified', created, '' FROM checkpoint WHERE state = 'present'"
    )


def downgrade() -> None:
    op.drop_index("ix_checkpoint_created", table_name="checkpoint")
    for table in ("disk_sample", "checkpoint_lease", "version", "asset_location", "asset"):
        op.drop_table(table)
