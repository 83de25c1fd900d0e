"""Templates to pages. All text is escaped; nothing is loaded from elsewhere."""

from pathlib import Path

import jinja2
from markupsafe import Markup, escape


def render(template: str, **values: object) -> str:
    """A page of this folder's template with these values."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    environment.filters["breakable"] = breakable
    return environment.get_template(template).render(values)


def breakable(name: str) -> Markup:
    """A key that may break after its underscores."""
    return escape(name).replace("_", Markup("_<wbr>"))
