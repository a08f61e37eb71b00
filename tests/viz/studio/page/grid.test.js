// @ts-check
// The grid of examples: what a person points at is what is found, at any zoom.

import assert from "node:assert/strict";
import { test } from "node:test";
import * as grids from "../../../../viz/studio/page/data/grid.js";
import { between } from "../../page/numbers.js";

/** A grid and a camera somewhere over it. */
function somewhere() {
  const [width, height] = [between(100, 2000), between(100, 1500)];
  const grid = grids.gridOf(Math.ceil(10 ** between(0, 5)), width, height);
  const camera = { ...grids.all(grid, width, height), zoom: 10 ** between(-1, 3) };
  const middle = { x: between(0, grid.columns), y: between(0, grids.rowsOf(grid)) };
  return { grid, camera: grids.kept({ ...camera, ...middle }, grid) };
}

test("a slot is found at every pixel of its rectangle, and nowhere else", () => {
  for (let i = 0; i < 2000; i++) {
    const { grid, camera } = somewhere();
    const slot = Math.floor(between(0, grid.count));
    const { left, top, size } = grids.rectangleOf(camera, grid, slot);
    const inside = [left + size * between(0.01, 0.99), top + size * between(0.01, 0.99)];
    assert.equal(grids.slotAt(camera, grid, inside[0], inside[1]), slot);
    assert.notEqual(grids.slotAt(camera, grid, left - size * 0.01, inside[1]), slot);
    assert.notEqual(grids.slotAt(camera, grid, inside[0], top + size * 1.01), slot);
  }
});

test("what is under the pointer stays there while the zoom changes", () => {
  for (let i = 0; i < 2000; i++) {
    const { grid, camera } = somewhere();
    const slot = Math.floor(between(0, grid.count));
    const { left, top, size } = grids.rectangleOf(camera, grid, slot);
    const place = /** @type {const} */ ([left + size / 2, top + size / 2]);
    const factor = between(0.5, 2);
    const after = grids.zoomed(camera, grid, factor, ...place);
    const inside = after.x > 0 && after.x < grid.columns && after.y > 0 && after.y < grids.rowsOf(grid);
    const [wide, high] = [grid.columns * after.zoom / camera.width, grids.rowsOf(grid) * after.zoom / camera.height];
    const isFar = factor < 1 && (wide < 2 || high < 2);
    if (inside && !isFar) assert.equal(grids.slotAt(after, grid, ...place), slot);
  }
});

test("all are seen from afar, and the zoom has ends", () => {
  for (let i = 0; i < 500; i++) {
    const { grid, camera: { width, height } } = somewhere();
    const all = grids.all(grid, width, height);
    const first = grids.rectangleOf(all, grid, 0);
    const last = grids.rectangleOf(all, grid, grid.count - 1);
    assert.ok(first.left >= -1 && first.top >= -1, "the first is outside");
    assert.ok(last.left + last.size <= width + 1 && last.top + last.size <= height + 1, "the last is");
    assert.ok(grids.zoomed(all, grid, 1e9, 0, 0).zoom <= grids.NEAREST);
    assert.ok(grids.zoomed(all, grid, 1e-9, 0, 0).zoom > 0);
  }
});

test("whoever goes far enough away sees all, in the middle", () => {
  for (let i = 0; i < 500; i++) {
    const { grid, camera } = somewhere();
    let after = camera;
    for (let step = 0; step < 60; step++) {
      after = grids.zoomed(after, grid, 0.8, between(0, camera.width), between(0, camera.height));
    }
    const all = grids.all(grid, camera.width, camera.height);
    assert.deepEqual([after.x, after.y], [all.x, all.y]);
  }
});

test("what is asked for is wholly seen, where it has room, and large enough", () => {
  for (let i = 0; i < 2000; i++) {
    const { grid, camera } = somewhere();
    const slot = Math.floor(between(0, grid.count));
    const after = grids.showing(camera, grid, slot, 48);
    const { left, top, size } = grids.rectangleOf(after, grid, slot);
    const before = grids.rectangleOf(camera, grid, slot);
    const [right, bottom] = [before.left + before.size, before.top + before.size];
    const isSeen = before.left >= 0 && before.top >= 0 && right <= camera.width && bottom <= camera.height;
    if (isSeen && before.size >= 48) assert.ok(Math.hypot(left - before.left, top - before.top) < 1e-6, "it moves");
    assert.ok(size >= 48 - 1e-6);
    if (size > Math.min(camera.width, camera.height)) continue;
    assert.ok(left >= -1e-6 && left + size <= camera.width + 1e-6, `${left} of ${camera.width}`);
    assert.ok(top >= -1e-6 && top + size <= camera.height + 1e-6, `${top} of ${camera.height}`);
  }
});

test("what is found lies in the middle, and large enough", () => {
  for (let i = 0; i < 500; i++) {
    const { grid, camera } = somewhere();
    const slot = Math.floor(between(0, grid.count));
    const after = grids.centred(camera, grid, slot, 48);
    assert.ok(after.zoom >= 48 && after.zoom <= grids.NEAREST);
    assert.equal(grids.slotAt(after, grid, camera.width / 2, camera.height / 2), slot);
    const { left, size } = grids.rectangleOf(after, grid, slot);
    assert.ok(Math.abs(left + size / 2 - camera.width / 2) < 1e-6, "not in the middle");
  }
});

test("the first one is seen first, in the corner, and large enough; all are, where they are few", () => {
  for (let i = 0; i < 500; i++) {
    const { grid, camera: { width, height } } = somewhere();
    const camera = grids.opening(grid, width, height);
    const { left, top, size } = grids.rectangleOf(camera, grid, 0);
    assert.ok(size >= 40);
    if (size > 40) assert.deepEqual(camera, grids.all(grid, width, height));
    else if (grid.columns * 40 > width) assert.ok(Math.abs(left) < 1e-9);
    else assert.ok(left >= 0 && Math.abs(top) < 1e-9);
  }
});

test("what is in sight is what a person can point at", () => {
  for (let i = 0; i < 50; i++) {
    const { grid, camera } = somewhere();
    if (grid.count > 2000) continue;
    let seen = 0;
    for (let slot = 0; slot < grid.count; slot++) {
      const { left, top, size } = grids.rectangleOf(camera, grid, slot);
      const [x, y] = [left + size / 2, top + size / 2];
      seen += Number(x >= 0 && y >= 0 && x < camera.width && y < camera.height);
    }
    assert.equal(grids.inSight(camera, grid), seen);
  }
});
