"""From the voices of all windows to the speakers of the recording."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.cluster.hierarchy import fcluster, linkage
from scipy.cluster.vq import kmeans2
from scipy.optimize import linear_sum_assignment
from scipy.special import logsumexp, softmax

from deployments import contracts
from deployments.diarization.community1 import PldaWeights

Array = npt.NDArray[np.float64]
Labels = npt.NDArray[np.int64]

KMEANS_STARTS = 5
NOBODY = -1
"""The label of a local speaker that is silent."""


@dataclass(frozen=True, slots=True)
class ClusteringSettings:
    """The values of pyannote community-1 where nothing else is said."""

    ahc_threshold: float = 0.6
    """Euclidean distance of unit vectors at which the initial clusters stop growing."""
    evidence_scale: float = 0.07
    """Fa of VBx: neighbouring windows share audio, so each counts for less than one observation.

    0.07 belongs to windows 1 s apart; the engine scales it with its step, so that a second of speech counts
    the same at any step (2 s apart: 27.5 % DER with 0.07, 21.1 % with 0.14, all else as in pyannote).
    """
    speaker_penalty: float = 0.8
    """Fb of VBx: larger gives fewer speakers."""
    max_iterations: int = 20
    same_voice_cosine: float = 0.6
    """Clusters of VBx whose mean voices are at least so similar are one speaker; pyannote has no such step.

    VBx's evidence grows with the recording and its penalty does not, so that the longer people talk, the smaller the
    variations of a voice that get a cluster of their own: five people in two hours became 17, with mean voices that had
    a cosine of 0.58 to 0.85 to another's; those of different people had 0.52 at most. A penalty that grows with the
    recording, or fewer voices, loses whoever says little: 24 s in two hours.
    """
    min_clean_share: float = 0.1
    """Share of a window that a voice must speak alone in to have a say in what the speakers are.

    pyannote's 0.2 loses speakers who only ever say a few words: 20.7 % DER where 0.1 and 0.05 have 18.4 %.
    """
    max_ahc_voices: int = 3000
    """AHC is quadratic: beyond this it sees evenly spaced voices and the rest join the nearest cluster."""


def assign_speakers(
    embeddings: npt.NDArray[np.float32],
    clean_share: npt.NDArray[np.float64],
    plda: PldaWeights,
    bounds: contracts.SpeakerCount,
    settings: ClusteringSettings,
) -> Labels:
    """Give every local speaker of every window a speaker of the recording.

    Two local speakers of one window are different speakers (constrained assignment) as long as there are enough;
    one left over joins whoever sounds most like it, so that no speech is lost.

    Args:
        embeddings: [windows, local speakers, 256]; NaN where silent.
        clean_share: [windows, local speakers], share of the window in which the local speaker speaks alone.
        plda: transform and model for VBx.
        bounds: how many speakers there may be.
        settings: thresholds.

    Returns:
        [windows, local speakers] of 0, 1, ... or NOBODY.
    """
    valid = np.asarray(np.isfinite(embeddings).all(axis=2))
    labels = np.full(valid.shape, NOBODY, dtype=np.int64)
    if not valid.any():
        return labels
    voices = embeddings[valid & (clean_share >= settings.min_clean_share)].astype(np.float64)
    if len(voices) == 0:
        voices = embeddings[valid].astype(np.float64)
    centroids = find_speakers(voices, plda, bounds, settings)
    similarity = _unit(np.nan_to_num(embeddings).astype(np.float64)) @ _unit(centroids).T
    for window in range(len(labels)):
        local = np.flatnonzero(valid[window])
        rows, speakers = linear_sum_assignment(similarity[window, local], maximize=True)
        labels[window, local] = similarity[window, local].argmax(axis=1)
        labels[window, local[rows]] = speakers
    return labels


def find_speakers(
    voices: Array, plda: PldaWeights, bounds: contracts.SpeakerCount, settings: ClusteringSettings
) -> Array:
    """Mean voices of the speakers [speakers, 256], by AHC and VBx, from one or more voices [voices, 256]."""
    if len(voices) == 1:
        return voices
    features = project(voices, plda)
    initial = agglomerate(_unit(voices), settings.ahc_threshold, settings.max_ahc_voices)
    shares, priors = vbx(features, plda.between_variance, initial, settings)
    lowest = bounds.exact or bounds.minimum or 1
    highest = bounds.exact or bounds.maximum or len(voices)
    centroids = merge_same_voices(voices, shares[:, priors > 1e-7], settings.same_voice_cosine, lowest)
    wanted = min(max(len(centroids), lowest), highest, len(voices))
    if wanted == len(centroids):
        return centroids
    return recluster(voices, wanted)


def project(voices: Array, plda: PldaWeights) -> Array:
    """Map voices [voices, 256] into the space [voices, 128] where PLDA's covariances are diagonal."""
    size, reduced_size = plda.lda.shape
    whitened = np.sqrt(size) * _unit(voices - plda.xvector_mean)
    reduced = np.sqrt(reduced_size) * _unit(whitened @ plda.lda - plda.lda_mean)
    projected: Array = (reduced - plda.plda_mean) @ plda.transform.T
    return projected


def agglomerate(unit_voices: Array, threshold: float, max_voices: int) -> Labels:
    """Centroid-linkage clusters of unit vectors, cut at a Euclidean distance."""
    picked = np.arange(len(unit_voices))
    if len(picked) > max_voices:
        picked = np.linspace(0, len(picked) - 1, max_voices).astype(np.int64)
    tree = linkage(unit_voices[picked], method="centroid")
    _, of_picked = np.unique(fcluster(tree, threshold, criterion="distance"), return_inverse=True)
    if len(picked) == len(unit_voices):
        return of_picked.astype(np.int64)
    centroids = np.stack([unit_voices[picked][of_picked == label].mean(axis=0) for label in range(of_picked.max() + 1)])
    nearest: Labels = np.argmax(unit_voices @ _unit(centroids).T, axis=1)
    return nearest


def vbx(features: Array, between_variance: Array, initial: Labels, settings: ClusteringSettings) -> tuple[Array, Array]:
    """Variational Bayes clustering of x-vectors without the transition model.

    Landini, Profant, Diez, Burget: Bayesian HMM clustering of x-vector sequences (VBx) in speaker
    diarization, Computer Speech & Language 2022; equation numbers are the paper's. As in pyannote.audio 4
    the HMM is replaced by a mixture: windows that overlap leave no order for it to model.

    Args:
        features: [voices, dimensions], within-speaker covariance the identity.
        between_variance: [dimensions], the between-speaker covariance's diagonal.
        initial: [voices], first guess from 0.
        settings: Fa, Fb, iterations.

    Returns:
        Shares [voices, speakers], rows summing to 1, and speaker priors [speakers]; a speaker that is
        not needed ends with a prior near 0.
    """
    scale = settings.evidence_scale / settings.speaker_penalty
    shares = softmax(7.0 * np.eye(initial.max() + 1)[initial], axis=1)
    priors = np.full(shares.shape[1], 1 / shares.shape[1])
    constant = -0.5 * (np.square(features).sum(axis=1, keepdims=True) + features.shape[1] * np.log(2 * np.pi))
    weighted = features * np.sqrt(between_variance)  # (18)
    last_bound = -np.inf
    for _ in range(settings.max_iterations):
        variance = 1 / (1 + scale * shares.sum(axis=0)[:, np.newaxis] * between_variance)  # (17)
        mean = scale * variance * (shares.T @ weighted)  # (16)
        log_likelihood = settings.evidence_scale * (
            weighted @ mean.T - 0.5 * ((variance + np.square(mean)) @ between_variance) + constant
        )  # (23)
        joint = log_likelihood + np.log(priors + 1e-8)
        evidence = logsumexp(joint, axis=1, keepdims=True)
        shares = np.exp(joint - evidence)
        priors = shares.mean(axis=0)
        complexity = 0.5 * settings.speaker_penalty * np.sum(np.log(variance) - variance - np.square(mean) + 1)
        bound = float(evidence.sum() + complexity)  # (25)
        if bound - last_bound < 1e-4:
            break
        last_bound = bound
    return shares, priors


def merge_same_voices(voices: Array, shares: Array, same_voice_cosine: float, fewest: int) -> Array:
    """Mean voices [speakers, 256], those of the most similar clusters merged until none sound like one person.

    As the reclustering by global embeddings behind VBx in Landini et al., Analysis of the BUT diarization system for
    VoxConverse challenge, ICASSP 2021.

    Args:
        voices: [voices, 256].
        shares: [voices, clusters], how much of each voice belongs to a cluster.
        same_voice_cosine: mean voices at least so similar are one.
        fewest: merging stops here.
    """
    sizes = shares.sum(axis=0)
    sums = shares.T @ voices
    while len(sums) > fewest:
        unit = _unit(sums)
        similarity = unit @ unit.T
        np.fill_diagonal(similarity, -1.0)
        kept, merged = divmod(int(similarity.argmax()), len(sums))
        if similarity[kept, merged] < same_voice_cosine:
            break
        for parts in (sums, sizes):
            parts[kept] += parts[merged]
        sums, sizes = np.delete(sums, merged, axis=0), np.delete(sizes, merged)
    centroids: Array = sums / sizes[:, np.newaxis]
    return centroids


def recluster(voices: Array, speakers: int) -> Array:
    """Mean voices [speakers, 256] of exactly so many clusters, where VBx found another number: k-means.

    Fewer come back where fewer voices differ, as in a recording that repeats itself. Cutting a tree (average
    linkage, Ward, in either space) or moving VBx's penalty until the count fits scored within 0.6 points of this.
    """
    unit = _unit(voices)
    distinct = np.unique(unit, axis=0)
    if len(distinct) <= speakers:
        return distinct
    best_loss, best_labels = np.inf, np.arange(len(voices)) % speakers
    for seed in range(KMEANS_STARTS):
        centres, labels = kmeans2(unit, speakers, minit="++", rng=seed)
        loss = float(np.square(unit - centres[labels]).sum())
        if len(np.unique(labels)) == speakers and loss < best_loss:
            best_loss, best_labels = loss, labels
    return np.stack([voices[best_labels == speaker].mean(axis=0) for speaker in range(speakers)])


def _unit(vectors: Array) -> Array:
    norms = np.linalg.norm(vectors, axis=-1, keepdims=True)
    unit: Array = vectors / np.maximum(norms, 1e-12)
    return unit
