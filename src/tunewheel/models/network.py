"""The network: a backbone, what a lower-casing one forgets, and the head a task asks for."""

from __future__ import annotations

from typing import Any, Self

import torch
from torch import Tensor, nn
from transformers import AutoConfig, AutoModel, PreTrainedConfig, PreTrainedModel
from transformers.modeling_outputs import ModelOutput

import tunewheel.models.convolutional
import tunewheel.models.recurrent  # noqa: F401  (both register their backbone with AutoModel)
from tunewheel.models.contrast import contrast
from tunewheel.models.crf import LinearChainCrf
from tunewheel.models.distillation.loss import Blend, blended
from tunewheel.models.virtual import read_after, table_width
from tunewheel.tasks import IGNORED, Head


class NetworkConfig(PreTrainedConfig):
    """The backbone's own configuration, the head, and the size of the word-shape table (0: none).

    ``virtual`` says where how many learned tokens stand (`tunewheel.models.virtual`); ``normalize``: the head sees
    vectors of length one; ``expanded``: so many random features of them (`Network.expand`).
    """

    model_type = "tunewheel"

    backbone: dict[str, Any] | None = None
    level: str = "sequence"
    outputs: int = 2
    loss: str = "cross_entropy"
    class_weights: list[float] | None = None
    word_shapes: int = 0
    virtual: dict[str, Any] | None = None
    normalize: bool = False
    expanded: int = 0


class Network(PreTrainedModel):
    """Backbone → (mean or, if it says so, maximum over the tokens) → dropout → linear head → loss.

    Lower-casing backbones throw away what entity recognition lives on: with ``word_shapes`` a small table, learned
    from zero, is added to their input embeddings.
    """

    config_class = NetworkConfig
    base_model_prefix = "backbone"
    main_input_name = "input_ids"
    _supports_sdpa = True

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__(config)
        self.backbone = AutoModel.from_config(AutoConfig.for_model(**dict(config.backbone or {})))
        width = self.backbone.config.hidden_size
        if getattr(self.backbone, "pooler", None) is not None:
            self.backbone.pooler = None
        if config.word_shapes:
            self.shapes = nn.Embedding(config.word_shapes, self.backbone.get_input_embeddings().embedding_dim)
        if config.virtual:
            self.virtual = nn.Embedding(config.virtual["tokens"], table_width(config.virtual["place"], self.backbone))
        self.dropout = nn.Dropout(0.1)
        if config.expanded:
            self.register_buffer("projection", torch.zeros(width, config.expanded))
        seen = config.expanded or width
        self.head: Any = nn.Identity() if config.level == "vector" else nn.Linear(seen, config.outputs)
        if config.loss == "crf":
            self.crf = LinearChainCrf(config.outputs)
        self.label_smoothing = 0.0
        self.blend = Blend()
        self.post_init()

    @classmethod
    def on(cls, backbone: PreTrainedModel, head: Head, *, word_shapes: int = 0) -> Network:
        """Put a fresh head on a backbone with its weights; the head is drawn from torch's current seed."""
        config = NetworkConfig(
            backbone={**backbone.config.to_diff_dict(), "model_type": backbone.config.model_type},
            level=head.level,
            outputs=head.outputs,
            loss=head.loss,
            class_weights=list(head.class_weights) if head.class_weights else None,
            word_shapes=word_shapes,
        )
        network = cls(config)
        pooled = {k: v for k, v in backbone.state_dict().items() if not k.startswith("pooler.")}
        network.backbone.load_state_dict(pooled)
        return network

    @classmethod
    def like(cls, other: Network) -> Self:
        """A network of this class with the weights of ``other`` that it has room for, and fresh ones beside them."""
        made = cls(other.config)
        made.load_state_dict(other.state_dict(), strict=False)
        made.to(other.device)
        return made

    def expand(self, features: int, seed: int) -> None:
        """Give a text-level head ``features`` random features of the vectors, which are brought to length one, to see.

        They are the vectors' products with a normal matrix drawn under ``seed``, and nothing where these are negative
        (Schmidt et al. 1992; random vector functional links, Pao et al. 1994). The head begins anew, from zero.
        """
        width, outputs = self.backbone.config.hidden_size, self.config.outputs
        self.config.normalize, self.config.expanded = True, features
        drawn = torch.randn(width, features, generator=torch.Generator().manual_seed(seed))
        self.register_buffer("projection", drawn.to(self.device))
        self.head = nn.Linear(features, outputs).to(self.device)
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)

    def _init_weights(self, module: nn.Module) -> None:
        if module is getattr(self, "shapes", None):
            nn.init.zeros_(module.weight)
        elif module is self.head and isinstance(module, nn.Linear):
            nn.init.normal_(module.weight, std=0.02)
            nn.init.zeros_(module.bias)
        elif isinstance(module, LinearChainCrf):
            module.reset_parameters()

    def get_input_embeddings(self) -> nn.Module:
        """The backbone's word table."""
        table: nn.Module = self.backbone.get_input_embeddings()
        return table

    def forward(
        self,
        input_ids: Tensor,
        attention_mask: Tensor,
        shape_ids: Tensor | None = None,
        labels: Tensor | None = None,
        inside: Tensor | None = None,
        soft: Tensor | None = None,
    ) -> ModelOutput:
        """Logits [batch, outputs] or [batch, length, outputs] (log-marginals under a CRF), and the loss if labelled.

        ``soft`` is what a teacher says, in the shape of the logits and NaN where it says nothing; the loss is then
        `tunewheel.models.distillation.loss.blended`.
        """
        logits = self.scores(self.hidden(input_ids, attention_mask, shape_ids), attention_mask, inside)
        loss = None
        if labels is not None and soft is not None:
            loss = blended(self, logits, labels, soft, attention_mask)
        elif labels is not None:
            loss = self.loss(logits, labels, attention_mask)
        if labels is None:
            logits = self.answers(logits, attention_mask)
        return ModelOutput(loss=loss, logits=logits)

    def features(
        self,
        input_ids: Tensor,
        attention_mask: Tensor,
        shape_ids: Tensor | None = None,
        inside: Tensor | None = None,
    ) -> Tensor:
        """The tokens pooled [batch, width], or every token [batch, length, width]: what the head sees, or is expanded.

        Vectors are the mean of the tokens ``inside`` the text, as `Predictor.vectors` has it.
        """
        return self.pooled(self.hidden(input_ids, attention_mask, shape_ids), attention_mask, inside)

    def scores(self, hidden: Tensor, attention_mask: Tensor, inside: Tensor | None = None) -> Tensor:
        """What the head says of hidden states [batch, length, width], before any CRF; shaped as the logits are."""
        seen = self.pooled(hidden, attention_mask, inside)
        if self.config.expanded:
            seen = nn.functional.relu(seen @ self.projection)
        said: Tensor = self.head(self.dropout(seen))
        return said

    def answers(self, scores: Tensor, attention_mask: Tensor) -> Tensor:
        """What the network answers by its `scores`: log-marginals under a CRF, else the scores."""
        if self.config.loss != "crf":
            return scores
        marginals: Tensor = self.crf(scores.float(), attention_mask)
        return marginals

    def pooled(self, hidden: Tensor, attention_mask: Tensor, inside: Tensor | None = None) -> Tensor:
        """What the head sees of hidden states [batch, length, width]; see `features`."""
        if self.config.level == "sequence":
            hidden = _pooled(hidden, attention_mask, getattr(self.backbone, "pooling", "mean"))
        elif self.config.level == "vector":
            hidden = _pooled(hidden, attention_mask if inside is None else inside, "mean")
        return nn.functional.normalize(hidden, dim=-1) if self.config.normalize else hidden

    def hidden(self, input_ids: Tensor, attention_mask: Tensor, shape_ids: Tensor | None = None) -> Tensor:
        """The backbone's last hidden states [batch, length, width], before any head."""
        # A mask of ones makes SDPA take its slower masked path; a graph must not be made for such batches alone.
        exporting = torch.compiler.is_exporting()
        needed = getattr(self.backbone, "needs_mask", False) or exporting or not bool(attention_mask.all())
        mask = attention_mask if needed else None
        shaped = self.config.word_shapes and shape_ids is not None
        if not (shaped or self.config.virtual):
            plain: Tensor = self.backbone(input_ids=input_ids, attention_mask=mask).last_hidden_state
            return plain
        embedded = self.get_input_embeddings()(input_ids)
        if shaped:
            embedded = embedded + self.shapes(shape_ids)
        if self.config.virtual:
            return read_after(self.virtual, self.config.virtual, self.backbone, embedded, mask)
        hidden: Tensor = self.backbone(inputs_embeds=embedded, attention_mask=mask).last_hidden_state
        return hidden

    def loss(self, logits: Tensor, labels: Tensor, mask: Tensor | None = None) -> Tensor:
        """Mean loss of logits under labels; a CRF needs the attention ``mask`` too."""
        logits = logits.float()
        weights = self.config.class_weights
        weight = None if weights is None else logits.new_tensor(weights)
        if self.config.loss == "crf":
            assert mask is not None
            return self.crf.negative_log_likelihood(logits, labels.clamp(min=0), mask)
        if self.config.level == "vector":
            return contrast(logits, labels, self.config.loss)
        if self.config.loss == "binary":
            return nn.functional.binary_cross_entropy_with_logits(logits, labels.to(logits.dtype), pos_weight=weight)
        return nn.functional.cross_entropy(
            logits.flatten(0, -2),
            labels.flatten(),
            weight=weight,
            ignore_index=IGNORED,
            label_smoothing=self.label_smoothing,
        )


def _pooled(hidden: Tensor, mask: Tensor, how: str) -> Tensor:
    """The mean or the maximum [batch, width] of the hidden states that ``mask`` [batch, length] counts in."""
    inside = mask[..., None]
    if how == "max":
        return hidden.masked_fill(inside == 0, float("-inf")).amax(1)
    weight = inside.to(hidden.dtype)
    return (hidden * weight).sum(1) / weight.sum(1).clamp(min=1)


AutoConfig.register(NetworkConfig.model_type, NetworkConfig)
AutoModel.register(NetworkConfig, Network)
