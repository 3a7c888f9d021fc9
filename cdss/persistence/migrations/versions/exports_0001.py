"""Export requests and what happened to them."""

import sqlalchemy as sa
from alembic import op

revision = "exports_0001"
down_revision = None
branch_labels = ("exports",)
depends_on = None


def upgrade() -> None:
    """Create both tables."""
    op.create_table(
        "export_request",
        sa.Column("identifier", sa.String(20), nullable=False),
        sa.Column("created", sa.DateTime(timezone=True), nullable=False),
        sa.Column("requester", sa.String(200), nullable=False),
        sa.Column("purpose", sa.String(20), nullable=False),
        sa.Column("release", sa.String(80), nullable=False),
        sa.Column("size", sa.Integer(), nullable=True),
        sa.Column("recipient", sa.String(200), nullable=False),
        sa.Column("reason", sa.String(1000), nullable=False),
        sa.Column("state", sa.String(20), nullable=False),
        sa.Column("checks", sa.JSON(), nullable=False),
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.PrimaryKeyConstraint("identifier", name="pk_export_request"),
    )
    op.create_index("ix_export_request_state", "export_request", ["state"])
    op.create_table(
        "export_event",
        sa.Column("number", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("request", sa.String(20), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("verb", sa.String(20), nullable=False),
        sa.Column("state", sa.String(20), nullable=False),
        sa.Column("by", sa.String(200), nullable=False),
        sa.Column("role", sa.String(20), nullable=False),
        sa.Column("comment", sa.String(1000), nullable=False),
        sa.ForeignKeyConstraint(
            ["request"], ["export_request.identifier"], name="fk_export_event_request_export_request"
        ),
        sa.PrimaryKeyConstraint("number", name="pk_export_event"),
    )
    op.create_index("ix_export_event_request", "export_event", ["request"])
