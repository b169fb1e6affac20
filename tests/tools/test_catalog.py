"""The catalogue is a contract: these lines are what the planner was trained on, and what users were promised."""

from __future__ import annotations

from visiongpt_agent.tools import catalog

LINES = """
detect_objects(image, query="") -> regions: find, locate or count named objects
segment_objects(image, regions=None) -> regions: pixel masks of regions, or of everything
caption_image(image) -> text: describe the image
answer_question(image, question) -> text: answer a question about the image
read_text(image) -> text: OCR, read written text
read_codes(image) -> text: read QR codes and bar codes
classify_image(image, labels=[]) -> labels: kind of scene, or choose a label
estimate_depth(image) -> image: depth map
estimate_pose(image) -> regions: body keypoints
detect_faces(image) -> regions: find faces
detect_anomalies(image, reference=None) -> regions: defects, optionally against a good reference
compare_images(image, other) -> text: how two images differ
generate_image(prompt) -> image: new image from text
generate_with_control(image, prompt, control="edges") -> image: new image keeping edges, depth or pose
edit_image(image, instruction) -> image: free-form edit by instruction
inpaint(image, regions, prompt="") -> image: remove regions, or replace by prompt
remove_background(image) -> image: cut out the foreground
replace_background(image, prompt="", background=None) -> image: new background from text or image
stylize_image(image, style) -> image: style transfer, name or image
upscale_image(image, scale=4) -> image: super-resolution
recolor_regions(image, regions, color) -> image: change the colour of regions
blur_regions(image, regions, invert=false) -> image: blur regions, or all but them
crop_regions(image, regions) -> image: crop to regions
adjust_image(image, brightness=1.0, contrast=1.0, saturation=1.0, sharpness=1.0) -> image: global brightness, contrast, saturation, sharpness
transform_image(image, rotate=0, flip="", width=0, height=0) -> image: rotate clockwise, flip, resize
""".strip().splitlines()  # noqa: E501


def test_the_planner_reads_the_lines_it_was_trained_on() -> None:
    assert [str(spec.signature) for spec in catalog().values()][: len(LINES)] == LINES


def test_every_tool_tells_a_large_model_what_it_is_for() -> None:
    for name, spec in catalog().items():
        assert len(spec.description.split()) >= 5, name
