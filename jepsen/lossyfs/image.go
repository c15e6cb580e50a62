package lossyfs

import (
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"time"
)

// A disk writes sectors; the kernel mostly pages.
const sector, page = 512, 4096

// image is the disk at a moment: what is durable, and what may be.
type image struct {
	at    time.Duration // Now
	step  int           // operations before it
	nodes map[uint64]node
}

// take copies no content: durable and pending are never written to again.
func (d *disk) take() *image {
	im := &image{at: Now(), step: len(d.log), nodes: make(map[uint64]node, len(d.nodes))}
	for i, n := range d.nodes {
		c := *n
		c.file.now, c.dir.now = nil, nil
		c.file.pending, c.dir.pending = slices.Clip(c.file.pending), slices.Clip(c.dir.pending)
		im.nodes[i] = c
	}
	return im
}

// fate decides what survives of the unsynced.
type fate struct{ *rand.Rand }

// The seeds 0 and 1 say none and all; the others a part that they choose.
func newFate(seed uint64) fate { return fate{rand.New(rand.NewPCG(seed, 0))} }

// survivors are the disk after the power failure, as one that lost nothing yet.
func (im *image) survivors(seed uint64) *disk {
	d := &disk{nodes: map[uint64]*node{}, last: 0}
	root := im.nodes[rootNode]
	d.last = rootNode
	im.revive(d, rootNode, &root, seed)
	return d
}

// revive puts what survives of n into d as node number, its children behind it.
func (im *image) revive(d *disk, number uint64, n *node, seed uint64) {
	luck := newFate(seed + number<<32)
	if seed < 2 {
		luck = fate{}
	}
	back := newNode(n.name, n.mode)
	d.nodes[number] = back
	if !n.isDir() {
		b := n.file.survive(luck, seed)
		back.file.now, back.file.durable = slices.Clone(b), b
		return
	}
	kept := n.dir.survive(luck, seed)
	for _, name := range slices.Sorted(maps.Keys(kept)) {
		child := im.nodes[kept[name]]
		child.name = name
		d.last++
		back.dir.now[name], back.dir.durable[name] = d.last, d.last
		im.revive(d, d.last, &child, seed)
	}
}

// survive keeps the first changes of the names, how many is luck.
func (x *names) survive(luck fate, seed uint64) map[string]uint64 {
	kept := maps.Clone(x.durable)
	n := len(x.pending)
	switch {
	case seed == 0:
		n = 0
	case luck.Rand != nil && n > 0:
		n = luck.IntN(n + 1)
	}
	for _, m := range x.pending[:n] {
		m.on(kept)
	}
	return kept
}

// survive keeps a part of the pending changes.
func (x *content) survive(luck fate, seed uint64) []byte {
	b := slices.Clone(x.durable)
	if seed == 0 || len(x.pending) == 0 {
		return b
	}
	if seed == 1 {
		return keepAll(b, x.pending)
	}
	switch luck.IntN(5) {
	case 0:
		return b
	case 1:
		return keepAll(b, x.pending)
	case 2: // in order, the last one torn
		n := luck.IntN(len(x.pending))
		b = keepAll(b, x.pending[:n])
		return luck.keepSome(b, x.pending[n:n+1], sector)
	case 3:
		return luck.keepSome(b, x.pending, page)
	default:
		return luck.keepSome(b, x.pending, sector)
	}
}

func keepAll(b []byte, pending []change) []byte {
	for _, c := range pending {
		b = c.on(b)
	}
	return b
}

// keepSome keeps a part of the units that were written, and of those that are
// lost perhaps the size: they read as zeros then.
func (luck fate) keepSome(b []byte, pending []change, unit int64) []byte {
	part, sized := []float64{0.1, 0.5, 0.9}[luck.IntN(3)], luck.IntN(2) == 0
	for _, c := range pending {
		for _, piece := range c.pieces(unit) {
			switch {
			case luck.Float64() < part:
				b = piece.on(b)
			case piece.data != nil && sized:
				b = resize(b, max(int64(len(b)), piece.at+int64(len(piece.data))))
			}
		}
	}
	return b
}

// pieces are the change's parts in units of the disk.
func (c change) pieces(unit int64) []change {
	if c.data == nil {
		return []change{c}
	}
	var all []change
	for at, rest := c.at, c.data; len(rest) > 0; {
		n := min(int64(len(rest)), unit-at%unit)
		all = append(all, change{at: at, data: rest[:n]})
		at, rest = at+n, rest[n:]
	}
	return all
}

// writeTo puts the disk's content into a directory of the host, which is
// emptied before.
func (d *disk) writeTo(dir string) error {
	if err := os.RemoveAll(dir); err != nil {
		return err
	}
	return d.writeNode(rootNode, dir)
}

func (d *disk) writeNode(number uint64, path string) error {
	n := d.nodes[number]
	if !n.isDir() {
		return os.WriteFile(path, n.file.now, os.FileMode(n.mode&0o777))
	}
	if err := os.Mkdir(path, 0o700); err != nil {
		return err
	}
	for name, child := range n.dir.now {
		if err := d.writeNode(child, filepath.Join(path, name)); err != nil {
			return err
		}
	}
	return nil
}
