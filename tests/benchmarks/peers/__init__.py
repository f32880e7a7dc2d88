"""The same job as others do it, beside which ours is measured."""
