"""Journeys that many need, ready to be filled: `saga template ls`, or

template = read_template("travel_booking")
journey = template.fill({"currency": "EUR"})
designed = await journeys.saga.design_saga_journey(template.name, journey, {})

A template is data in YAML (extra `standard`), with a JSON Schema of what it asks for; `template.handlers` says what the
functions must do that you register with the Curator. Each has an example with real ones in `examples/`.
"""

from saga_journey.journey_templates.reading import read_yaml, write_yaml
from saga_journey.journey_templates.shelf import (
    example_of,
    read_journey,
    read_template,
    read_template_file,
    template_names,
)
from saga_journey.journey_templates.template import Template

__all__ = [
    "Template",
    "example_of",
    "read_journey",
    "read_template",
    "read_template_file",
    "read_yaml",
    "template_names",
    "write_yaml",
]
