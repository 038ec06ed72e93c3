-- A finished atlas: what was observed, on which images, with which result for every unit.
-- Written once, then only read. Arrays stand beside it: top k, histograms and class means in
-- layers/NNNN.safetensors; the largest activation of each unit in each image in
-- responses/NNNN.safetensors.
PRAGMA user_version = 2;

CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;  -- values are JSON

CREATE TABLE images (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL,
    bytes INTEGER NOT NULL,
    label INTEGER,            -- class index; NULL: none given
    best TEXT,                -- JSON: the five best classes; NULL: not seen, or no scores
    rank INTEGER,             -- place of the true class among the scores, from 0
    seen INTEGER NOT NULL,    -- 1: the network was run on it
    skipped TEXT              -- why the image was not seen
);

CREATE TABLE layers (
    number INTEGER PRIMARY KEY,
    address TEXT NOT NULL UNIQUE,
    operation TEXT NOT NULL,
    units INTEGER NOT NULL,
    rows INTEGER NOT NULL,
    columns INTEGER NOT NULL,
    field_rows INTEGER,       -- size of the receptive field in pixels; NULL: the whole image
    field_columns INTEGER,
    file TEXT NOT NULL,
    sha256 TEXT NOT NULL,
    responses TEXT NOT NULL,  -- file
    responses_sha256 TEXT NOT NULL,
    unprojected TEXT          -- why the deconvnet does not apply; NULL: it does
);

CREATE TABLE units (
    layer INTEGER NOT NULL REFERENCES layers(number),
    unit INTEGER NOT NULL,
    maximum REAL,             -- over all neurons and images; NULL: never finite
    mean REAL NOT NULL,
    deviation REAL,           -- NULL: the squares overflow
    fires REAL NOT NULL,      -- share of images with a positive activation
    fires_places REAL NOT NULL,
    not_finite INTEGER NOT NULL,
    best_class INTEGER,       -- class with the largest mean response
    selectivity REAL,
    dead INTEGER NOT NULL,    -- 1: never positive on any image
    top_image INTEGER,        -- the strongest image; NULL: none was seen
    PRIMARY KEY (layer, unit)
) WITHOUT ROWID;
