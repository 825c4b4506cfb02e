"""Methods behind one interface: one file for each published system, with its paper and options."""

from gaussft_jax.methods.arnet import ARNet
from gaussft_jax.methods.cutpaste import CutPaste
from gaussft_jax.methods.deep_svdd import DeepSVDD, norm_map
from gaussft_jax.methods.differnet import DifferNet
from gaussft_jax.methods.ensemble import Ensemble
from gaussft_jax.methods.fcdd import FCDD, hypersphere_loss, level_mask, pseudo_huber_map
from gaussft_jax.methods.ganomaly import GANomaly
from gaussft_jax.methods.gaussian_ad import GaussianAD
from gaussft_jax.methods.gaussian_fine_tune import GaussianFineTune, mahalanobis_maps
from gaussft_jax.methods.geotrans import GeoTrans
from gaussft_jax.methods.hsc import HSC
from gaussft_jax.methods.location_flow import LocationFlow
from gaussft_jax.methods.method import Levels, Maps, Method
from gaussft_jax.methods.ocsvm import OneClassSVM
from gaussft_jax.methods.padim import PaDiM
from gaussft_jax.methods.patch_svdd import PatchSVDD
from gaussft_jax.methods.patchcore import PatchCore
from gaussft_jax.methods.registry import METHODS, OPTIONS, Option, create, flags, options_of
from gaussft_jax.methods.riad import RIAD
from gaussft_jax.methods.spade import SPADE
from gaussft_jax.methods.students import Students
from gaussft_jax.methods.triplet import Triplet
from gaussft_jax.methods.vae import CAVGA, VAEAttention

__all__ = [
    "CAVGA",
    "FCDD",
    "HSC",
    "METHODS",
    "OPTIONS",
    "RIAD",
    "SPADE",
    "ARNet",
    "CutPaste",
    "DeepSVDD",
    "DifferNet",
    "Ensemble",
    "GANomaly",
    "GaussianAD",
    "GaussianFineTune",
    "GeoTrans",
    "Levels",
    "LocationFlow",
    "Maps",
    "Method",
    "OneClassSVM",
    "Option",
    "PaDiM",
    "PatchCore",
    "PatchSVDD",
    "Students",
    "Triplet",
    "VAEAttention",
    "create",
    "flags",
    "hypersphere_loss",
    "level_mask",
    "mahalanobis_maps",
    "norm_map",
    "options_of",
    "pseudo_huber_map",
]
