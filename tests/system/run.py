#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Runs the system tests against a built program: run.py PROGRAM [NAME...]"""
import os
import sys
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
os.environ["POSTRIDER"] = os.path.abspath(sys.argv[1]) if len(sys.argv) > 1 else ""
sys.path.insert(0, HERE)

if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit("usage: run.py PROGRAM [NAME...]")
    from harness import report_and_exit
    loader = unittest.TestLoader()
    suite = (loader.loadTestsFromNames(sys.argv[2:]) if len(sys.argv) > 2
             else loader.discover(HERE, pattern="test_*.py"))
    report_and_exit(unittest.TextTestRunner(verbosity=2).run(suite))
