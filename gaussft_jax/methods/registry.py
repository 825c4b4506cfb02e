"""All methods by name, and what can be set about them: read by configurations, commands, files."""

import dataclasses
from typing import Any, NamedTuple

from gaussft_jax.methods.arnet import ARNet
from gaussft_jax.methods.cutpaste import CutPaste
from gaussft_jax.methods.deep_svdd import DeepSVDD
from gaussft_jax.methods.differnet import DifferNet
from gaussft_jax.methods.ensemble import Ensemble
from gaussft_jax.methods.fcdd import FCDD
from gaussft_jax.methods.ganomaly import GANomaly
from gaussft_jax.methods.gaussian_ad import GaussianAD
from gaussft_jax.methods.gaussian_fine_tune import GaussianFineTune
from gaussft_jax.methods.geotrans import GeoTrans
from gaussft_jax.methods.hsc import HSC
from gaussft_jax.methods.location_flow import LocationFlow
from gaussft_jax.methods.method import Method, choices
from gaussft_jax.methods.ocsvm import OneClassSVM
from gaussft_jax.methods.padim import PaDiM
from gaussft_jax.methods.patch_svdd import PatchSVDD
from gaussft_jax.methods.patchcore import PatchCore
from gaussft_jax.methods.riad import RIAD
from gaussft_jax.methods.spade import SPADE
from gaussft_jax.methods.students import Students
from gaussft_jax.methods.triplet import Triplet
from gaussft_jax.methods.vae import CAVGA, VAEAttention

__all__ = ["METHODS", "OPTIONS", "Option", "create", "flags", "options_of"]

METHODS: dict[str, type[Method]] = {
    method.name: method
    for method in (
        GaussianFineTune,
        DeepSVDD,
        FCDD,
        HSC,
        GaussianAD,
        PaDiM,
        PatchCore,
        SPADE,
        OneClassSVM,
        DifferNet,
        LocationFlow,
        Students,
        PatchSVDD,
        Triplet,
        CutPaste,
        ARNet,
        RIAD,
        GANomaly,
        GeoTrans,
        VAEAttention,
        CAVGA,
        Ensemble,
    )
}
_MEMBERS = "gaussian,gaussian_ad,patchcore"


class Option(NamedTuple):
    """An option of one or more methods.

    Attributes:
        default: its value where nobody sets it.
        type: of its value.
        choices: the values that it may have; empty where any of the type will do.
        help: one line on what it does.
        methods: names of those that have it.
    """

    default: Any
    type: type
    choices: tuple[str, ...]
    help: str
    methods: tuple[str, ...]


def _options() -> dict[str, Option]:
    options = {}
    for name, method in METHODS.items():
        known = choices(method)
        for field in dataclasses.fields(method):
            flag, help = field.metadata["flag"], field.metadata["help"]
            default = _MEMBERS if method is Ensemble else field.default
            others = options[flag].methods if flag in options else ()
            options[flag] = Option(default, type(default), known[field.name], help, (*others, name))
    return options


OPTIONS: dict[str, Option] = _options()


def flags(name: str, ensemble_members: str = _MEMBERS) -> tuple[str, ...]:
    """The names of the options of a method; an ensemble has those of its members as well.

    Args:
        name: a key of `METHODS`.
        ensemble_members: of an ensemble, with commas.

    Raises:
        ValueError: the method, or a member, is unknown; the message lists the known ones.
    """
    if name not in METHODS:
        raise ValueError(f"unknown method {name!r}; known are: {', '.join(METHODS)}")
    own = tuple(flag for flag, option in OPTIONS.items() if name in option.methods)
    if name != Ensemble.name:
        return own
    members = ensemble_members.split(",")
    if name in members:
        raise ValueError(f"ensemble_members={ensemble_members!r}: an ensemble is no member of one")
    return tuple(dict.fromkeys((*own, *(flag for member in members for flag in flags(member)))))


def create(name: str, **options: Any) -> Method:
    """The method called `name`.

    Args:
        name: a key of `METHODS`.
        options: of this method, by their names in `OPTIONS`; the others are the source's. Those of
            an ensemble go to every member that has them.

    Raises:
        ValueError: the method or an option is unknown, or has a value that it may not have; the
            message lists the known ones.
    """
    members = options.get("ensemble_members", _MEMBERS)
    known = flags(name, members)
    if unknown := sorted(options.keys() - set(known)):
        listed = f"it has: {', '.join(known)}" if known else "it has none"
        raise ValueError(f"the method {name} has no option {', '.join(unknown)}; {listed}")
    if name == Ensemble.name:
        return Ensemble(
            tuple(
                create(member, **{flag: options[flag] for flag in flags(member) if flag in options})
                for member in members.split(",")
            )
        )
    fields = {field.metadata["flag"]: field.name for field in dataclasses.fields(METHODS[name])}
    return METHODS[name](**{fields[flag]: value for flag, value in options.items()})


def options_of(method: Method) -> dict[str, Any]:
    """The options of a method by their names in `OPTIONS`: `create(method.name, **options)`."""
    if isinstance(method, Ensemble):
        options = {"ensemble_members": ",".join(member.name for member in method.members)}
        for member in method.members:
            options.update(options_of(member))
        return options
    return {
        field.metadata["flag"]: getattr(method, field.name) for field in dataclasses.fields(method)
    }
