"""The report: from the files of a study, finished or not, to one HTML page, its tables and its figures."""
