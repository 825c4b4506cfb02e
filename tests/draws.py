"""The vicinity of images as the training loop draws it, on one device."""

from gaussft_jax import parallel, training


def drawn(key, images, augment, per_image, augmented):
    recipe = training.Recipe(draws_per_image=per_image, augmented=augmented)
    draw = parallel.spmd(
        lambda key, rows: training.draw_vicinity(key, rows, augment, recipe),
        (parallel.REPLICATED, training.ROWS),
        training.DRAWS,
        "jit",
    )
    return draw(key, parallel.share(images).rows())
