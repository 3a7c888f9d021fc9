"""The clinical evaluation: trials, participants, answers, consultation events, outcomes."""

import sqlalchemy as sa
from alembic import op

revision = "evaluation_0001"
down_revision = None
branch_labels = ("evaluation",)
depends_on = None

_TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Create the tables."""
    op.create_table(
        "evaluation_trial",
        sa.Column("code", sa.String(40), nullable=False),
        sa.Column("protocol", sa.Text(), nullable=False),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("commitment", sa.String(64), nullable=False),
        sa.Column("seed", sa.String(40), nullable=False),
        sa.Column("salt", sa.String(64), nullable=False),
        sa.Column("status", sa.String(10), nullable=False),
        sa.Column("period", sa.Integer(), nullable=False),
        sa.Column("opened_at", _TIME, nullable=False),
        sa.Column("closed_at", _TIME, nullable=True),
        sa.PrimaryKeyConstraint("code", name="pk_evaluation_trial"),
    )
    op.create_table(
        "evaluation_not_randomised",
        sa.Column("trial", sa.String(40), nullable=False),
        sa.Column("cluster", sa.String(40), nullable=False),
        sa.Column("reason", sa.String(20), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("trial", "cluster", "reason", name="pk_evaluation_not_randomised"),
        sa.ForeignKeyConstraint(
            ["trial"], ["evaluation_trial.code"], name="fk_evaluation_not_randomised_trial_evaluation_trial"
        ),
    )
    op.create_table(
        "evaluation_participant",
        sa.Column("identifier", sa.String(20), nullable=False),
        sa.Column("trial", sa.String(40), nullable=False),
        sa.Column("cluster", sa.String(40), nullable=False),
        sa.Column("stratum", sa.String(250), nullable=False),
        sa.Column("period", sa.Integer(), nullable=False),
        sa.Column("consent_version", sa.String(40), nullable=False),
        sa.Column("consent_language", sa.String(5), nullable=False),
        sa.Column("consented_at", _TIME, nullable=False),
        sa.Column("baseline", sa.JSON(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=True),
        sa.Column("arm", sa.String(10), nullable=True),
        sa.Column("release", sa.String(80), nullable=False),
        sa.Column("allocated_at", _TIME, nullable=True),
        sa.Column("withdrawn_at", _TIME, nullable=True),
        sa.Column("erased", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("identifier", name="pk_evaluation_participant"),
        sa.UniqueConstraint("trial", "stratum", "position", name="uq_evaluation_participant_trial"),
        sa.ForeignKeyConstraint(
            ["trial"], ["evaluation_trial.code"], name="fk_evaluation_participant_trial_evaluation_trial"
        ),
    )
    op.create_index("ix_evaluation_participant_trial", "evaluation_participant", ["trial"])
    _of_participant(
        "evaluation_answer",
        sa.Column("instrument", sa.String(20), nullable=False),
        sa.Column("respondent", sa.String(20), nullable=False),
        sa.Column("moment", sa.String(10), nullable=False),
        sa.Column("language", sa.String(5), nullable=False),
        sa.Column("responses", sa.JSON(), nullable=False),
        sa.Column("total", sa.Double(), nullable=True),
        sa.Column("subscales", sa.JSON(), nullable=False),
        sa.Column("answered_at", _TIME, nullable=False),
        keys=("instrument", "respondent", "moment"),
    )
    op.create_table(
        "evaluation_event",
        sa.Column("number", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("participant", sa.String(20), nullable=False),
        sa.Column("kind", sa.String(20), nullable=False),
        sa.Column("seconds", sa.Integer(), nullable=False),
        sa.Column("detail", sa.String(80), nullable=False),
        sa.Column("received_at", _TIME, nullable=False),
        sa.PrimaryKeyConstraint("number", name="pk_evaluation_event"),
        sa.ForeignKeyConstraint(
            ["participant"],
            ["evaluation_participant.identifier"],
            name="fk_evaluation_event_participant_evaluation_participant",
        ),
    )
    op.create_index("ix_evaluation_event_participant", "evaluation_event", ["participant"])
    _of_participant(
        "evaluation_outcome",
        sa.Column("month", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("relapses", sa.Integer(), nullable=False),
        sa.Column("edss", sa.Double(), nullable=True),
        sa.Column("worsening_month", sa.Double(), nullable=True),
        sa.Column("received_at", _TIME, nullable=False),
        sa.CheckConstraint("month > 0", name="ck_evaluation_outcome_month_is_positive"),
        keys=("month",),
    )


def _of_participant(table: str, *columns: sa.schema.SchemaItem, keys: tuple[str, ...]) -> None:
    """Create a table whose key begins with a participant."""
    op.create_table(
        table,
        sa.Column("participant", sa.String(20), nullable=False),
        *columns,
        sa.PrimaryKeyConstraint("participant", *keys, name=f"pk_{table}"),
        sa.ForeignKeyConstraint(
            ["participant"],
            ["evaluation_participant.identifier"],
            name=f"fk_{table}_participant_evaluation_participant",
        ),
    )
