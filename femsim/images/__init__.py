"""Images of a patient: files, DICOM series, values between voxels; what the values mean lies elsewhere."""
