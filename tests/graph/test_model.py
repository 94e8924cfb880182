"""Terms, their sum and the model file: against a pair-by-pair reading of the definition, exact round trips, strict reading."""

import json
from dataclasses import replace
from datetime import date
from typing import Any

import numpy as np
import pytest

from pureplay.errors import DatasetError, SettingError
from pureplay.graph.arrays import PairPanel
from pureplay.graph.model import Model, design, expected, predict, term_names
from tests.graph.planted_pairs import INTERACTIONS, PLANTED, naive_sum, naive_terms, planted, with_lamps

PLAIN = ("intercept", "trailing", "product_peer", "deep_peer", "chain", "disclosed", "affiliate", "dark")
PRODUCTS = tuple(f"trailing_x_{name}" for name in PLAIN[3:])


def model(**changes: Any) -> Model:
    """A model of plain terms with awkward figures."""
    terms = {name: (k + 1) / 7 for k, name in enumerate(PLAIN) if name != "chain"}
    base: dict[str, Any] = {
        "variant": "plain",
        "terms": {**terms, "dark": -1e-17},
        "dropped": ("chain",),
        "fit_start": date(2017, 1, 26),
        "fit_end": date(2022, 6, 30),
        "known_from": date(2022, 9, 23),
        "vintages": 66,
        "observations": 7_128_000,
        "descriptive": False,
        "mse": {"plain": 0.1 + 0.2, "interactions": None},
        "settings": {"graph": {"substrate": "news", "stale_months": None}, "forecast": {"seed": 7}},
        "fingerprint": {"bars": "ab12"},
        "version": "0.1.0",
    }
    return Model(**{**base, **changes})


@pytest.mark.parametrize(
    ("variant", "bids", "names"),
    [
        ("plain", False, PLAIN),
        ("plain", True, (*PLAIN, "bid")),
        ("interactions", False, (*PLAIN, *PRODUCTS)),
        ("interactions", True, (*PLAIN, "bid", *PRODUCTS)),
    ],
)
def test_columns_are_the_terms_pair_by_pair(variant: Any, bids: bool, names: tuple[str, ...]) -> None:
    panel = planted(vintages=3, pairs=20)
    assert term_names(variant, bids=bids) == names
    found, x = design(panel, variant=variant, bids=bids)
    assert found == names
    for entry in range(panel.a.size):
        row = naive_terms(panel, entry)
        assert np.array_equal(x[entry], [row[name] for name in names], equal_nan=True)
    part = panel.vintage(1)
    for where in (part, np.arange(part.start, part.stop), panel.of == 1):
        assert np.array_equal(design(panel, variant=variant, bids=bids, where=where)[1], x[part], equal_nan=True)


def test_dark_is_a_news_pair_without_any_of_the_four_lamps() -> None:
    panel = planted(vintages=2)
    _, x = design(panel, variant="plain")
    unlit = panel.lamps.n_lamps == 0
    assert x[:, 7].tolist() == (panel.news & unlit).tolist()
    assert (panel.lamps.product_peer & (x[:, 7] == 1)).any()  # a shallow peer confirms nothing
    assert not x[~panel.news, 7].any()
    assert unlit[~panel.news].any()


@pytest.mark.parametrize("coefficients", [PLANTED, INTERACTIONS])
def test_expected_is_the_sum_pair_by_pair(coefficients: dict[str, float]) -> None:
    panel = planted(vintages=2)
    found = expected(coefficients, panel.trailing, panel.lamps, panel.news)
    known = panel.lamps.mapped & np.isfinite(panel.trailing)
    assert 0 < known.sum() < known.size
    assert np.isnan(found).tolist() == (~known).tolist()
    # sums of at most ten numbers below 1
    assert np.allclose(found[known], naive_sum(panel, coefficients)[known], rtol=0, atol=1e-15)


def test_the_bits_of_a_forecast_do_not_depend_on_the_pairs_beside_it() -> None:
    panel, made = planted(vintages=2), model()
    whole = predict(made, panel.trailing, panel.lamps, panel.news)
    for k in range(0, 100, 7):
        one = slice(k, k + 1 + k % 5)
        alone = predict(made, panel.trailing[one], panel.lamps.take(one), panel.news[one])
        assert np.array_equal(alone, whole[one], equal_nan=True)


def test_a_dropped_term_counts_as_nothing_and_bids_never_count() -> None:
    panel, made = planted(vintages=1), model()
    base = predict(made, panel.trailing, panel.lamps, panel.news)
    assert np.array_equal(base, expected(made.terms, panel.trailing, panel.lamps, panel.news), equal_nan=True)
    other = with_lamps(panel, bid=~panel.lamps.bid)
    assert np.array_equal(predict(made, other.trailing, other.lamps, other.news), base, equal_nan=True)
    lit = with_lamps(panel, chain=np.ones_like(panel.lamps.chain), disclosed=np.ones_like(panel.lamps.chain))
    unlit = with_lamps(lit, chain=np.zeros_like(panel.lamps.chain))
    left, right = (predict(made, each.trailing, each.lamps, each.news) for each in (lit, unlit))
    assert np.array_equal(left, right, equal_nan=True)


def test_no_pairs_give_no_forecast() -> None:
    panel = planted(vintages=1)
    none = slice(0, 0)
    assert predict(model(), panel.trailing[none], panel.lamps.take(none), panel.news[none]).shape == (0,)


def test_a_model_without_a_trailing_term_still_needs_the_correlation() -> None:
    panel = planted(vintages=1)
    terms = {"intercept": 0.3}
    assert np.isnan(expected(terms, panel.trailing, panel.lamps, panel.news)[np.isnan(panel.trailing)]).all()


def test_in_sample_ends_with_the_last_forward_window() -> None:
    assert model().in_sample(date(2022, 9, 22))
    assert not model().in_sample(date(2022, 9, 23))


def test_another_variant_is_refused() -> None:
    with pytest.raises(SettingError, match="variant must be one of plain, interactions, not 'best'"):
        term_names("best")  # type: ignore[arg-type]


def test_a_model_goes_through_json_unchanged() -> None:
    made = model()
    again = Model.from_dict(json.loads(json.dumps(made.to_dict())))
    assert again == made
    assert list(again.terms) == list(made.terms)
    assert all(again.terms[name].hex() == value.hex() for name, value in made.terms.items())


def test_the_order_of_terms_in_a_file_does_not_matter() -> None:
    panel: PairPanel = planted(vintages=1)
    made = model()
    plain = made.to_dict()
    plain["terms"] = dict(reversed(plain["terms"].items()))
    again = Model.from_dict(plain)
    left, right = (predict(each, panel.trailing, panel.lamps, panel.news) for each in (made, again))
    assert np.array_equal(left, right, equal_nan=True)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"variant": "best"}, "variant of a model must be one of"),
        ({"variant": []}, "variant of a model must be one of"),
        ({"terms": {"intercept": float("nan")}}, "terms of a model must be finite"),
        ({"terms": [1, 2]}, "terms of a model must be finite"),
        ({"terms": {"intercept": True}}, "terms of a model must be finite"),
        ({"terms": {"intercept": 1.0}}, "must hold each of"),
        ({"dropped": []}, "must hold each of"),
        ({"dropped": ["chain", "dark"]}, "must hold each of"),
        ({"dropped": ["chain", "bid"]}, "not known: bid"),
        ({"dropped": "chain"}, "dropped of a model must be a list"),
        ({"fit_start": "2017"}, "fit_start of a model must be a day"),
        ({"fit_end": 5}, "fit_end of a model must be a day"),
        ({"known_from": None}, "known_from of a model must be a day"),
        ({"vintages": 0}, "vintages of a model must be a whole number"),
        ({"observations": 1.5}, "observations of a model must be a whole number"),
        ({"descriptive": 1}, "descriptive of a model must be true or false"),
        ({"mse": {"plain": "low"}}, "mse of a model must be numbers"),
        ({"settings": []}, "settings of a model must be"),
        ({"fingerprint": {"bars": 5}}, "fingerprint of a model must be"),
        ({"version": 1}, "version of a model must be text"),
        ({"extra": 1}, "not known: extra"),
    ],
)
def test_a_file_with_other_fields_is_refused(change: dict[str, object], message: str) -> None:
    with pytest.raises(DatasetError, match=f"{message}.*: have the study write"):
        Model.from_dict({**model().to_dict(), **change})


@pytest.mark.parametrize("name", sorted(Model.__slots__))
def test_a_file_that_lacks_a_field_is_refused(name: str) -> None:
    plain = model().to_dict()
    del plain[name]
    with pytest.raises(DatasetError, match=f"lacking: {name}; not known: none"):
        Model.from_dict(plain)


@pytest.mark.parametrize("given", [None, [], "text", 5])
def test_what_is_no_record_is_refused(given: object) -> None:
    with pytest.raises(DatasetError, match="must be fields by name"):
        Model.from_dict(given)


def test_replacing_a_coefficient_changes_the_forecast() -> None:
    panel, made = planted(vintages=1), model()
    for name in made.terms:
        other = replace(made, terms={**made.terms, name: made.terms[name] + 0.1})
        left, right = (predict(each, panel.trailing, panel.lamps, panel.news) for each in (made, other))
        assert not np.array_equal(left, right, equal_nan=True)
