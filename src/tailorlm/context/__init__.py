"""Contexts: what the model is shown when it answers. One file each; add a line here and it is everywhere."""

from tailorlm.core.registry import Registry

TABLE = {
    "instruction": "tailorlm.context.instruction:Instruction",
    "examples": "tailorlm.context.examples:Examples",
    "prompt": "tailorlm.context.prompted:Prompted",
    "search": "tailorlm.context.search:Search",
}

contexts = Registry("context", TABLE, "tailorlm.context")
