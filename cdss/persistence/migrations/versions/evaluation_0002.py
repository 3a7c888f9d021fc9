"""The clinical evaluation: incidents."""

import sqlalchemy as sa
from alembic import op

revision = "evaluation_0002"
down_revision = "evaluation_0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the table."""
    op.create_table(
        "evaluation_incident",
        sa.Column("number", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("trial", sa.String(40), nullable=False),
        sa.Column("cluster", sa.String(40), nullable=False),
        sa.Column("participant", sa.String(20), nullable=True),
        sa.Column("kind", sa.String(20), nullable=False),
        sa.Column("serious", sa.Boolean(), nullable=False),
        sa.Column("severity", sa.String(20), nullable=True),
        sa.Column("relation", sa.String(20), nullable=False),
        sa.Column("course", sa.String(20), nullable=True),
        sa.Column("deficiency", sa.String(30), nullable=True),
        sa.Column("day", sa.Integer(), nullable=True),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("number", name="pk_evaluation_incident"),
        sa.ForeignKeyConstraint(
            ["trial"], ["evaluation_trial.code"], name="fk_evaluation_incident_trial_evaluation_trial"
        ),
        sa.ForeignKeyConstraint(
            ["participant"],
            ["evaluation_participant.identifier"],
            name="fk_evaluation_incident_participant_evaluation_participant",
        ),
    )
    op.create_index("ix_evaluation_incident_trial", "evaluation_incident", ["trial"])
