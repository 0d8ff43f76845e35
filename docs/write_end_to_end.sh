#!/usr/bin/env bash
# From twenty sections of a textbook to an evaluation, with a model that is served (about an hour with 1.5B parameters on two CPU
# cores). Stopped, the same command goes on. docs/writing.md says what a small model makes of it.
#     docs/write_end_to_end.sh TEXTBOOK.jsonl SERVER MODEL OUT
# TEXTBOOK.jsonl: an object a line, with `title` and `text`, e.g. the sections of OpenStax Astronomy 2e.
# SERVER: http://127.0.0.1:8090/v1; MODEL: its name there.
set -euo pipefail
textbook=${1:?TEXTBOOK.jsonl} server=${2:?SERVER} model=${3:?MODEL} out=${4:?OUT}
mkdir -p "$out/texts"

# Twenty sections, drawn by seed; of each its first sentences up to 120 words, so that it is one chunk.
python - "$textbook" "$out/texts" <<'PY'
import json, random, re, sys
from pathlib import Path

sections = [json.loads(line) for line in open(sys.argv[1], encoding="utf-8")]
sections = [section for section in sections if len(section["text"].split()) >= 200]
drawn = random.Random(0).sample(sections, 20)
for number, section in enumerate(drawn, 1):
    kept = ""
    for sentence in re.split(r"(?<=[.!?])\s+", section["text"]):
        if len(f"{kept} {sentence}".split()) > 120:
            break
        kept = f"{kept} {sentence}".strip()
    title = section["title"] + (f": {section['section']}" if section.get("section") else "")
    Path(sys.argv[2], f"{number:02}.md").write_text(f"# {title}\n\n{kept}\n", encoding="utf-8")
PY

kinj corpus files "$out/texts" "$out/collection"
kinj write questions "$out/collection" "$out/bench" -n 40 --model "$model" --base-url "$server"
kinj write paraphrases "$out/bench" "$out/bench" --per-chunk 2 --model "$model" --base-url "$server"
kinj benchmark check "$out/bench"
kinj benchmark stats "$out/bench"
kinj index build "$out/bench" "$out/index"
for passages in retriever=none "index=$out/index,retriever=bm25,k=1"; do
    lm_eval --tasks kinj_benchmark_option --model kinj_rag --model_args "$passages" \
        --metadata "{\"benchmark\": \"$out/bench\"}" --output_path "$out/results" --log_samples
done
kinj train paraphrase --collection "$out/bench" --paraphrases 2 --fewer take --output_dir "$out/trained" --dry-run
