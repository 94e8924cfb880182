"""The composite stretch by stretch against the whole pipeline, to the bit."""

import numpy as np
import pytest

from pureplay.dataset import Dataset
from pureplay.errors import InsufficientDataError, SettingError
from pureplay.market import load_market
from pureplay.parallel import workers
from pureplay.signals.composite import composite_scores
from pureplay.signals.momentum import score_blocks
from pureplay.signals.settings import SignalSettings
from pureplay.signals.workshop import PeerWorkshop
from pureplay.synthetic import market as synthetic_market

CASES = {
    "default": {},
    "short window": {"window_sessions": 7, "min_valid_sessions": 5},
    "diff_sd": {"resvol": "diff_sd", "winsorise_mads": None},
    "level": {"momentum": "level"},
    "frozen": {"frozen": True},
    "product_agg": {"resvol": "product_agg"},
    "fallbacks": {"fallback": ("parent", "industry", "synthetic"), "min_covered": 0.3},
    "industries": {"products": "industries:syn_l2"},
}


@pytest.fixture(scope="module")
def workshop() -> PeerWorkshop:
    data = Dataset.from_frames(synthetic_market(stocks=140, sessions=333, seed=5).tables, calendar="XSHG")
    return PeerWorkshop(data, load_market(data))


@pytest.mark.parametrize("name", CASES)
def test_the_bits_are_those_of_the_whole_pipeline(workshop: PeerWorkshop, name: str) -> None:
    settings = SignalSettings(**{"level": 2, "min_peers": 2, **CASES[name]})  # type: ignore[arg-type]
    peers = workshop.peers(settings)
    whole = score_blocks(workshop.market, peers, settings).composite
    assert np.isfinite(whole).sum() > 1000
    for stretch in (1, 60, 100, 1000):
        assert composite_scores(workshop.market, peers, settings, stretch_sessions=stretch).tobytes() == whole.tobytes()


def test_the_number_of_workers_changes_no_bit(workshop: PeerWorkshop) -> None:
    settings = SignalSettings(min_peers=2)
    peers, made = workshop.peers(settings), []
    for count in (1, 2, 3):
        with workers(count):
            made.append(composite_scores(workshop.market, peers, settings).tobytes())
    assert made[0] == made[1] == made[2]


def test_what_the_pipeline_refuses_is_refused(workshop: PeerWorkshop) -> None:
    peers = workshop.peers(SignalSettings())
    with pytest.raises(SettingError, match="does not go with"):
        composite_scores(workshop.market, peers, SignalSettings(construction="S"))
    with pytest.raises(InsufficientDataError, match="sessions"):
        composite_scores(workshop.market, peers, SignalSettings(window_sessions=400, min_valid_sessions=390))
