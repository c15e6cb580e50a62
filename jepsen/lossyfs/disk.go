// Package lossyfs is a disk that forgets what nobody synced: a file system
// (FUSE) that knows of each file what an fsync has made durable and what is
// only written since, and the same of each directory's names. It shows what a
// power failure would leave, with any part of the rest: writes torn at sectors
// and pages, in any order, files without a name. It fails on demand, too.
//
// The tests of the stores mount it with Mount. The file system runs in a
// process of its own, lossyd: a mapped page that a Go program waits for can't
// be served by the same program while its garbage collector waits too.
//
// What it takes a disk to be: a sector of 512 bytes is written or not. Of a
// file any subset of the unsynced sectors may survive, with or without the
// size. fsync of a file says nothing of its name: that is durable with the
// fsync of its directory, whose changes survive in their order, as ext4 and
// xfs keep them. A page that an fsync failed to write is clean afterwards, as
// on Linux: the next fsync succeeds and does not write it.
package lossyfs

import (
	"fmt"
	"maps"
	"slices"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// rootNode is the number of the mount's directory.
const rootNode = 1

// disk is the content: what processes see, and what is durable of it.
type disk struct {
	mu     sync.Mutex
	nodes  map[uint64]*node
	last   uint64 // greatest node number given
	plan   Plan
	faults []Fault
	met    int      // operations that failed
	log    []string // one line per operation that changes or syncs
	images []*image
	// frozen is closed when what changes the disk goes on; nil: it does.
	frozen chan struct{}
}

// node is a file or a directory.
type node struct {
	name string // the last one
	mode uint32
	file content
	dir  names
}

// content of a file; durable and the pending changes are never written to again.
type content struct {
	now     []byte
	durable []byte
	pending []change
}

// change is a write or, with data nil, a new size.
type change struct {
	at   int64
	data []byte
}

// names of a directory.
type names struct {
	now     map[string]uint64
	durable map[string]uint64
	pending []move
}

// move gives names to nodes in one step; node 0 takes the name away.
type move map[string]uint64

func newDisk() *disk {
	d := &disk{nodes: map[uint64]*node{}, last: rootNode}
	d.nodes[rootNode] = newNode("/", syscall.S_IFDIR|0o755)
	return d
}

func newNode(name string, mode uint32) *node {
	return &node{name: name, mode: mode, dir: names{now: map[string]uint64{}, durable: map[string]uint64{}}}
}

func (n *node) isDir() bool { return n.mode&syscall.S_IFMT == syscall.S_IFDIR }

// step counts an operation, takes an image when one is due, and returns the
// fault that meets it. The caller holds mu.
func (d *disk) step(kind, name string) *Fault {
	if d.plan.Every > 0 && len(d.log)%d.plan.Every == 0 && len(d.images) < d.plan.Most {
		d.images = append(d.images, d.take())
	}
	d.log = append(d.log, kind+" "+name)
	for i := range d.faults {
		if f := &d.faults[i]; f.meets(kind, name) {
			d.met++
			return f
		}
	}
	return nil
}

// freeze has all that would change the disk wait from now on, or go on: reading does
// always, as on a file system that fsfreeze has frozen.
func (d *disk) freeze(on bool) {
	switch {
	case on && d.frozen == nil:
		d.frozen = make(chan struct{})
	case !on && d.frozen != nil:
		close(d.frozen)
		d.frozen = nil
	}
}

// changing takes mu for an operation that changes the disk, when it may.
func (d *disk) changing() {
	for {
		d.mu.Lock()
		frozen := d.frozen
		if frozen == nil {
			return
		}
		d.mu.Unlock()
		<-frozen
	}
}

// make gives a new node a name in a directory.
func (d *disk) make(parent uint64, name string, mode uint32) (uint64, syscall.Errno) {
	dir := d.nodes[parent]
	if dir.dir.now[name] != 0 {
		return 0, syscall.EEXIST
	}
	if f := d.step("create", name); f != nil {
		return 0, f.Errno
	}
	d.last++
	d.nodes[d.last] = newNode(name, mode)
	dir.dir.apply(move{name: d.last})
	return d.last, 0
}

func (x *names) apply(m move) {
	m.on(x.now)
	x.pending = append(x.pending, m)
}

func (m move) on(to map[string]uint64) {
	for name, n := range m {
		if n == 0 {
			delete(to, name)
		} else {
			to[name] = n
		}
	}
}

func (d *disk) remove(parent uint64, name string, wantDir bool) syscall.Errno {
	dir := d.nodes[parent]
	n := d.nodes[dir.dir.now[name]]
	switch {
	case n == nil:
		return syscall.ENOENT
	case wantDir && !n.isDir():
		return syscall.ENOTDIR
	case !wantDir && n.isDir():
		return syscall.EISDIR
	case len(n.dir.now) > 0:
		return syscall.ENOTEMPTY
	}
	if f := d.step("remove", name); f != nil {
		return f.Errno
	}
	dir.dir.apply(move{name: 0})
	return 0
}

// rename within one directory; between two it says EXDEV.
func (d *disk) rename(from, to uint64, old, name string) syscall.Errno {
	dir := d.nodes[from]
	n := dir.dir.now[old]
	target := d.nodes[dir.dir.now[name]]
	switch {
	case from != to:
		return syscall.EXDEV
	case n == 0:
		return syscall.ENOENT
	case target != nil && len(target.dir.now) > 0:
		return syscall.ENOTEMPTY
	}
	if f := d.step("rename", name); f != nil {
		return f.Errno
	}
	if old != name {
		dir.dir.apply(move{old: 0, name: n})
	}
	d.nodes[n].name = name
	return 0
}

// write returns how much was written, less than len(b) after a fault.
func (d *disk) write(number uint64, at int64, b []byte) (int, syscall.Errno) {
	n := d.nodes[number]
	if f := d.step("write", n.name); f != nil {
		if f.Short == 0 {
			return 0, f.Errno
		}
		b = b[:max(1, len(b)*f.Short/100)]
	}
	n.file.change(change{at: at, data: slices.Clone(b)})
	return len(b), 0
}

func (d *disk) truncate(number uint64, size int64) syscall.Errno {
	n := d.nodes[number]
	if f := d.step("truncate", n.name); f != nil {
		return f.Errno
	}
	n.file.change(change{at: size})
	return 0
}

func (x *content) change(c change) {
	x.now = c.on(x.now)
	x.pending = append(x.pending, c)
}

// on returns b, in place where it has room, with the change made.
func (c change) on(b []byte) []byte {
	if c.data == nil {
		return resize(b, c.at)
	}
	b = resize(b, max(int64(len(b)), c.at+int64(len(c.data))))
	copy(b[c.at:], c.data)
	return b
}

func resize(b []byte, size int64) []byte {
	if size <= int64(len(b)) {
		return b[:size]
	}
	old := len(b)
	b = slices.Grow(b, int(size)-old)[:size]
	clear(b[old:])
	return b
}

// sync makes a file's content or a directory's names durable.
func (d *disk) sync(number uint64) syscall.Errno {
	n := d.nodes[number]
	kind := "sync"
	if n.isDir() {
		kind = "syncdir"
	}
	f := d.step(kind, n.name)
	switch {
	case f != nil:
		n.file.pending = nil // the pages are clean, and on no disk
		return f.Errno
	case n.isDir():
		n.dir.durable, n.dir.pending = maps.Clone(n.dir.now), nil
	case len(n.file.pending) > 0:
		n.file.settle()
	}
	return 0
}

// settle adds what is pending to what is durable. That is not simply all there
// is now: pages that an earlier fsync lost stay lost.
func (x *content) settle() {
	b := slices.Clone(x.durable)
	for _, c := range x.pending {
		b = c.on(b)
	}
	x.durable, x.pending = b, nil
}

// Fault has operations fail.
type Fault struct {
	// Kind of the operations: create, remove, rename, write, truncate, sync,
	// syncdir; "" is any.
	Kind string
	// Name of the file, without its directory; "" is any.
	Name string
	// Skip this many that would be met, then fail Count; 0 is all.
	Skip, Count int
	Errno       syscall.Errno
	// Short writes this percentage of the bytes and reports no error.
	Short int
}

// meets counts an operation; it is true when it shall fail.
func (f *Fault) meets(kind, name string) bool {
	if f.Kind != "" && f.Kind != kind || f.Name != "" && f.Name != name || f.Count < 0 {
		return false
	}
	if f.Skip > 0 {
		f.Skip--
		return false
	}
	if f.Count > 0 {
		if f.Count--; f.Count == 0 {
			f.Count = -1
		}
	}
	return true
}

// Now is the clock of the images: CLOCK_MONOTONIC, the same in all processes.
func Now() time.Duration {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts); err != nil {
		panic(fmt.Sprintf("lossyfs: no monotonic clock: %v", err))
	}
	return time.Duration(ts.Nano())
}
