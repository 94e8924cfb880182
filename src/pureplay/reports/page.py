"""What every page shares: templates, the chart starter, and a policy that lets a browser run them and fetch nothing."""

import base64
import hashlib
from collections.abc import Sequence
from functools import cache
from typing import Any, Final

import jinja2
import plotly.io
from markupsafe import Markup
from plotly.offline import get_plotlyjs

from pureplay.reports.gallery import Chart

__all__ = ["fill", "part", "script"]

_JSON_IN_HTML: Final = str.maketrans({"<": "\\u003c", ">": "\\u003e", "&": "\\u0026"})


def fill(template: str, charts: Sequence[Chart], context: dict[str, Any], *, scripts: Sequence[str] = ()) -> str:
    """A template as a page that loads nothing: charts' data, and plotly once where there is a chart, stand in it. All text is escaped.

    scripts: sources of our own (see `script`), each run once at the end of the page, after the charts.
    """
    own = tuple(dict.fromkeys(scripts))
    page = (
        _environment()
        .get_template(template)
        .render(
            **context,
            charts=charts,
            chart_data={chart.key: _chart_json(chart) for chart in charts},
            plotly=Markup(get_plotlyjs()) if charts else "",
            starter=Markup(_starter()) if charts else "",
            scripts=[Markup(each) for each in own],
            policy=_policy([*([get_plotlyjs(), _starter()] if charts else []), *own]),
        )
    )
    return page if page.endswith("\n") else f"{page}\n"


def part(template: str, context: dict[str, Any]) -> Markup:
    """A template as a piece of a page, to be put into another one as it is. All text is escaped."""
    return Markup(_environment().get_template(template).render(**context))


@cache
def script(name: str) -> str:
    """Source of one of our scripts among the templates, for `fill`."""
    return _environment().get_template(name).render()


@cache
def _environment() -> jinja2.Environment:
    return jinja2.Environment(
        loader=jinja2.PackageLoader("pureplay.reports", "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def _starter() -> str:
    return script("charts.js")


def _policy(scripts: Sequence[str]) -> str:
    """Content-Security-Policy that lets exactly these scripts run and nothing be fetched."""
    digests = (base64.b64encode(hashlib.sha256(each.encode()).digest()).decode() for each in scripts)
    allowed = " ".join(f"'sha256-{each}'" for each in digests) or "'none'"
    return f"default-src 'none'; script-src {allowed}; style-src 'unsafe-inline'; img-src data: blob:; base-uri 'none'; form-action 'none'"


def _chart_json(chart: Chart) -> Markup:
    """Data and layout as JSON that cannot end the element it stands in."""
    return Markup(plotly.io.to_json(chart.figure, validate=False).translate(_JSON_IN_HTML))
