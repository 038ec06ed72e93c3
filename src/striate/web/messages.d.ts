// Made from messages*.py by tests/web/test_message_types.py; see there.

export interface Sheets {
  tile: number;
  columns: number;
  rows: number;
  pages: number;
}

export interface Status {
  revision: string;
  finished: boolean;
  seen: number;
  images: number;
}

export interface SkippedImage {
  image: number;
  file: string;
  reason: string;
}

export interface LayerFacts {
  number: number;
  address: string;
  operation: string;
  units: number;
  map_size: [number, number];
  receptive_field: [number, number] | null;
  dead: number;
  detectors: number | null;
  detected: number | null;
}

export interface LayerLine {
  number: number;
  address: string;
  operation: string;
  units: number;
  map_size: [number, number];
  receptive_field: [number, number] | null;
  dead: number;
  detectors: number | null;
  detected: number | null;
  samples: number[];
}

export interface Network {
  name: string;
  identity: string;
  status: Status;
  image_size: [number, number, number];
  preprocessing: string;
  skipped: number;
  skipped_images: SkippedImage[];
  top1: number | null;
  top5: number | null;
  judged: number;
  classes: number;
  units: number;
  top: number;
  layers: LayerLine[];
  aliases: {[key: string]: string};
  views: string[];
  sample_sheets: Sheets;
  thumbnails: Sheets;
  dissection: Dissected | null;
  names_page: number;
}

export interface GraphNode {
  address: string;
  operation: string;
  units: number | null;
  map_size: [number, number];
  layer: number | null;
  rank: number;
  column: number;
}

export interface Graph {
  nodes: GraphNode[];
  edges: [number, number][];
}

export interface UnitColumns {
  maximum: (number | null)[];
  mean: number[];
  fires: number[];
  fires_places: number[];
  selectivity: (number | null)[];
  best_class: (number | null)[];
  dead: boolean[];
  top_image: (number | null)[];
  concept: ConceptColumns | null;
}

export interface Layer {
  number: number;
  address: string;
  operation: string;
  units: number;
  map_size: [number, number];
  receptive_field: [number, number] | null;
  dead: number;
  detectors: number | null;
  detected: number | null;
  columns: UnitColumns;
  unprojected: string | null;
  similarity: number[] | null;
  class_names: {[key: string]: string};
  sheets: Sheets;
  synthetic: (number | null)[] | null;
  unsynthesized: string | null;
  concepts: LayerConcepts | null;
}

export interface Top {
  image: number;
  file: string;
  label: number | null;
  class_name: string | null;
  value: number;
  row: number;
  column: number;
  box: [number, number, number, number];
}

export interface ClassMean {
  class_index: number;
  name: string | null;
  mean: number;
}

export interface SimilarUnit {
  unit: number;
  correlation: number;
}

export interface Synthetic {
  preset: string;
  seed: number;
  steps: number;
  activation: number;
  rank: number;
  centred_rank: number | null;
  contrast: number;
  size: [number, number];
}

export interface Unit {
  address: string;
  layer: number;
  unit: number;
  maximum: number | null;
  mean: number;
  deviation: number | null;
  fires: number;
  fires_places: number;
  not_finite: number;
  dead: boolean;
  best_class: number | null;
  best_class_name: string | null;
  selectivity: number | null;
  images: number;
  places: number;
  top: Top[];
  histogram: ([number | null, number | null, number])[];
  class_means: ClassMean[];
  classes: number;
  similar: SimilarUnit[];
  unprojected: string | null;
  synthetic: Synthetic | null;
  unsynthesized: string | null;
  concepts: UnitConcepts | null;
  shares: Share[];
  python: string;
}

export interface Excited {
  unit: number;
  value: number;
  deviations: number;
  place: number | null;
}

export interface ExcitedLayer {
  layer: number;
  address: string;
  units: Excited[];
}

export interface Class {
  class_index: number;
  name: string | null;
}

export interface Image {
  image: number;
  file: string;
  bytes: number;
  label: number | null;
  class_name: string | null;
  best: Class[];
  rank: number | null;
  seen: boolean;
  skipped: string | null;
  size: [number, number];
  layers: ExcitedLayer[];
}

export interface Names {
  first: number;
  names: string[];
  labels: (number | null)[];
  predicted: (number | null)[];
  correct: (boolean | null)[];
  skipped: boolean[];
}

export interface ClassLine {
  class_index: number;
  name: string | null;
  images: number;
  judged: number;
  correct: number;
  top5: number;
  predicted: number;
}

export interface Classes {
  classes: ClassLine[];
  order: number[];
  cells: [number, number, number][];
}

export interface Confused {
  class_index: number;
  name: string | null;
  images: number[];
}

export interface SelectiveUnit {
  layer: number;
  address: string;
  unit: number;
  selectivity: number;
  maximum: number | null;
}

export interface ClassPage {
  class_index: number;
  name: string | null;
  images: number;
  judged: number;
  correct: number;
  top5: number;
  taken_for: Confused[];
  mistaken_for_it: Confused[];
  unjudged: number[];
  units: SelectiveUnit[];
}

export interface Problem {
  title: string;
  status: number;
  detail: string;
}

export interface Dissected {
  concepts: number;
  categories: string[];
  images: number;
  skipped: number;
  quantile: number;
  level: number;
  sides: [number, number];
  upsampling: string;
}

export interface UnitIou {
  unit: number;
  iou: number;
  images: number;
}

export interface DetectedConcept {
  concept: number;
  name: string;
  units: UnitIou[];
}

export interface DetectedCategory {
  category: string;
  concepts: DetectedConcept[];
}

export interface ConceptColumns {
  index: (number | null)[];
  name: (string | null)[];
  category: (string | null)[];
  iou: (number | null)[];
}

export interface LayerConcepts {
  detectors: number;
  unique: number;
  categories: DetectedCategory[];
}

export interface Overlap {
  concept: number;
  name: string;
  category: string;
  iou: number;
  truth: number;
  activation: number;
  intersection: number;
}

export interface ConceptImage {
  file: string;
  value: number;
  row: number;
  column: number;
}

export interface Share {
  name: string;
  category: string;
  concept: number | null;
  task: string;
  share: number;
  measure: string;
  score: number;
  unit: number;
  unit_score: number;
}

export interface UnitConcepts {
  threshold: number | null;
  best: Overlap | null;
  in_categories: Overlap[];
  images: ConceptImage[];
}

export interface LearntConcept {
  layer: number;
  address: string;
  task: string;
  measure: string;
  score: number;
  unit: number;
  unit_score: number;
  blind: number;
  nearest: string[];
}

export interface DetectingUnit {
  unit: number;
  iou: number;
  truth: number;
  activation: number;
  intersection: number;
  best: number;
  best_name: string;
  images: number;
}

export interface DetectingLayer {
  layer: number;
  address: string;
  units: DetectingUnit[];
}

export interface ConceptUnit {
  layer: number;
  address: string;
  unit: number;
  iou: number;
}

export interface ConceptLine {
  concept: number;
  name: string;
  category: string;
  pixels: number;
  detectors: number;
  best: ConceptUnit | null;
}

export interface DissectedLayer {
  layer: number;
  address: string;
  units: number;
  detectors: number;
  unique: number[];
}

export interface Concepts {
  dissection: Dissected;
  concepts: ConceptLine[];
  layers: DissectedLayer[];
}

export interface ConceptPage {
  concept: number;
  name: string;
  category: string;
  pixels: number;
  layers: DetectingLayer[];
  nearest: DetectingLayer[];
  learnt: LearntConcept[];
}
