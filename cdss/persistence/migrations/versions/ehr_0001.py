"""Marks of used tokens, and what became of cards."""

import sqlalchemy as sa
from alembic import op

revision = "ehr_0001"
down_revision = None
branch_labels = ("ehr",)
depends_on = None


def upgrade() -> None:
    """Create both tables."""
    op.create_table(
        "ehr_used_token",
        sa.Column("mark", sa.String(64), nullable=False),
        sa.Column("until", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("mark", name="pk_ehr_used_token"),
    )
    op.create_index("ix_ehr_used_token_until", "ehr_used_token", ["until"])
    op.create_table(
        "ehr_card_outcome",
        sa.Column("card", sa.String(36), nullable=False),
        sa.Column("outcome", sa.String(10), nullable=False),
        sa.Column("reason", sa.String(64), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("card", name="pk_ehr_card_outcome"),
    )
