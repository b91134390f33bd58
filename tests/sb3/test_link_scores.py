"""The compiled layer on links is torch's."""

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("sb3_contrib")

from torch.nn.functional import linear  # noqa: E402

from qkd_gym.sb3.link_scores import link_scores  # noqa: E402


@pytest.mark.parametrize(("width", "outputs"), [(32, 2), (16, 1), (64, 3), (24, 2)])
def test_values_and_gradients(width, outputs):
    torch.manual_seed(0)
    shapes = ((3, 7, width), (outputs, width), (outputs,))
    links, weight, bias = (torch.randn(shape, requires_grad=True) for shape in shapes)
    n_links = torch.tensor([7, 0, 4])
    real = torch.arange(7) < n_links[:, None]
    found, expected = link_scores(links, n_links, weight, bias), linear(links, weight, bias)
    torch.testing.assert_close(found[real], expected[real])
    shares = torch.randn(3, 7, outputs) * real[..., None]
    pairs = zip(
        *(
            torch.autograd.grad((s * shares).sum(), (links, weight, bias))
            for s in (found, expected)
        ),
        strict=True,
    )
    for first, second in pairs:
        torch.testing.assert_close(first, second, rtol=1e-5, atol=1e-5)
