"""What a model is worth: measures, intervals over people, baselines, reports, calibration."""
