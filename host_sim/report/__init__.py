# SPDX-License-Identifier: MIT
"""A result as a document: what it says (model.py) apart from how it is shown."""
