"""What is said below each figure: on the page, and in Snakemake's own report."""

CAPTIONS = {
    "external-mcc": (
        "MCC of each arm on the external test with its 95 % interval over patients (thick) and over patients "
        "and seeds (thin, where there are several); dashed at 0: naming always one class."
    ),
    "ablations": (
        "MCC of ablations minus the reference's, on the same patients, in the order of the study. Thick: over patients; "
        "thin: over patients and seeds."
    ),
    "fractions": (
        "What arms reach with fewer labels, and with fewer patients without one; at 100 % stands the plain arm."
    ),
    "missing-sequences": (
        "MCC by sequences at hand. Filled dots: the patient has the sequence. An arm read out by its own head "
        "is never refitted and stands under transfer alone."
    ),
    "by-count": (
        "MCC by the number of sequences at hand, the mean over their sets; dashed: the floor, naming always one class."
    ),
    "one-missing": "The cases that a clinic meets: everything is there, or one sequence is missing.",
    "random-missing": "Each patient lacks each sequence with the same probability, and keeps at least one.",
    "confusion": "Rows: true class; columns: predicted class; patients (mean over seeds), and their share of the row.",
    "cost": (
        "CPU time of one training; what its starting weights had cost is not in it. An arm that trains nothing of its own "
        "stands at what the training of its weights took."
    ),
    "groups": (
        "MCC on each cohort, and on each site of a cohort that has several. Validation chose settings and weights."
    ),
    "calibration": (
        "How often an arm is right by how sure it is, in ten bins, with 95 % intervals (Wilson); grey: after "
        "temperature scaling fitted on validation. Seeds are pooled."
    ),
    "selective": (
        "Error rate among the patients who are answered, the surest first; band: the reference arm's 95 % "
        "interval over patients."
    ),
    "mistakes": "The slice that was judged, with the tumour's outline. In brackets: confidence, mean over seeds.",
    "flow": (
        "Who is left after each step, and who was lost on the way, with the most frequent reasons. Sessions "
        "as far as quality control, then patients."
    ),
    "quality": (
        "Boxes: quartiles; whiskers: 1st to 99th percentile; points: beyond, or everybody in a cohort of few. "
        "A slab's brain volume is not judged. Those flagged are named in the table of outliers."
    ),
    "training": (
        "Losses of different methods are different sums and don't compare. Ringed: the weights that were "
        "kept. A teacher whose entropy stays at the dashed line tells its student nothing."
    ),
    "attention": (
        "Left: share of CLS's attention to patches by sequence and block (mean over heads and patients, 95 % "
        "intervals); dashed: even. Right: attention on tumour patches by what even attention to the brain "
        "would put there; dashed: no preference."
    ),
    "tokens": (
        "First three principal components of the last block's patch tokens as red, green and blue, one PCA "
        "for all patients and sequences. Black: no brain."
    ),
    "feature-map": (
        "t-SNE of the features, the same map three times. Circles: training; squares: validation; triangles: "
        "external test, whose labels serve the colours alone."
    ),
    "embeddings": "Cosine of the embeddings that tell the network which sequence a patch is from.",
}

# What is added in a study of phantoms, whose signs are known.
ORACLE = {
    "external-mcc": " Dashed at the top: the sign oracle, which reads every sign without error.",
    "missing-sequences": " The sign oracle, last, reads every sign without error.",
    "by-count": " The fewer sequences, the less the signs themselves allow: the sign oracle is the ceiling.",
    "one-missing": " Short lines: the sign oracle, which reads every sign without error.",
}
