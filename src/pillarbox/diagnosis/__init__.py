"""What is wrong with an SMTP set-up, from facts that were seen. Pure.

doctor collects the facts; here they become findings, a verdict and a report.
"""
