"""Secrets do not reach what is written down."""

from hypothesis import given
from hypothesis import strategies as st

from conf import compose, masked, masked_text
from ingest.config import IngestConfig

PASSWORDS = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=6).map(lambda text: f"pw{text}")


@given(password=PASSWORDS)
def test_url_passwords_are_masked(password: str) -> None:
    """Whatever characters a password in a URL holds, @ and / included, it is gone and the rest stays."""
    shown = masked_text(f"mysql+pymysql://me:{password}@db:3306/refrain")
    assert shown == "mysql+pymysql://me:***@db:3306/refrain"


def test_a_configuration_is_masked() -> None:
    """Passwords and tokens of a whole configuration are replaced; names that are no secrets stay."""
    config = compose(
        "ingest",
        [
            "home=h",
            "vectors.token=hunter2",
            "metadata.password=hunter2",
            "metadata.url=mysql+pymysql://me:hunter2@db/x?ssl_token=hunter2",
            "lake.uri=s3://bucket/a@b",
        ],
        IngestConfig,
    )
    shown = masked(config)
    assert "hunter2" not in repr(shown)
    assert shown["metadata"]["url"] == "mysql+pymysql://me:***@db/x?ssl_token=***"
    assert shown["lake"]["uri"] == "s3://bucket/a@b"
    assert shown["home"] == "h"


def test_no_secret_is_no_mask() -> None:
    """An option that is not set is shown as not set."""
    assert masked({"token": None, "password": ""}) == {"token": None, "password": ""}
