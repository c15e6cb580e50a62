package lossyfs

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"syscall"
	"time"

	"github.com/hanwen/go-fuse/v2/fuse"
)

// Plan says when images are taken: before each Every-th operation, Most in all.
type Plan struct{ Every, Most int }

// Image tells of one that was taken.
type Image struct {
	// At is when, by Now; Step how many operations were before.
	At   time.Duration
	Step int
}

// order is what a test wants of the file system; one of the fields is set.
type order struct {
	Watch   *Plan
	Fail    []Fault
	Extract *extract
	Take    bool
	Images  bool
	Log     bool
	Met     bool
	Freeze  *bool
}

// extract has an image's survivors written to To, or, with To empty, has the
// mount go on with them.
type extract struct {
	Image int
	Seed  uint64
	To    string
}

type answer struct {
	Err    string
	Images []Image
	Log    []string
	Taken  int
	Met    int
}

// Serve mounts the file system at dir and takes orders, one JSON value each,
// until in ends; then it unmounts. It writes an answer first when it is ready.
func Serve(dir string, in io.Reader, out io.Writer) error {
	d := newDisk()
	server, err := fuse.NewServer(newFileSystem(d), dir, &fuse.MountOptions{
		FsName: "lossyfs", Name: "lossyfs", DirectMountStrict: true, DisableXAttrs: true, DisableReadDirPlus: true,
		MaxWrite: 1 << 20, IgnoreSecurityLabels: true,
	})
	if err != nil {
		return fmt.Errorf("lossyfs: mounting at %s: %w", dir, err)
	}
	go server.Serve()
	err = errors.Join(server.WaitMount(), d.obey(in, out))
	// Lazily: whoever has files open there is a process that the test ends.
	if unmounted := syscall.Unmount(dir, syscall.MNT_DETACH); unmounted != nil {
		return errors.Join(err, fmt.Errorf("lossyfs: unmounting %s: %w", dir, unmounted))
	}
	return err
}

func (d *disk) obey(in io.Reader, out io.Writer) error {
	orders, answers := json.NewDecoder(in), json.NewEncoder(out)
	reply := answer{}
	for {
		if err := answers.Encode(reply); err != nil {
			return err
		}
		var o order
		if err := orders.Decode(&o); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
		reply = d.do(&o)
	}
}

func (d *disk) do(o *order) (a answer) {
	if o.Extract != nil {
		if err := d.extract(o.Extract); err != nil {
			a.Err = err.Error()
		}
		return a
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	switch {
	case o.Watch != nil:
		d.plan, d.images, d.log = *o.Watch, nil, nil
	case o.Take:
		a.Taken = len(d.images)
		d.images = append(d.images, d.take())
	case o.Images:
		for _, im := range d.images {
			a.Images = append(a.Images, Image{At: im.at, Step: im.step})
		}
	case o.Log:
		a.Log = d.log
	case o.Freeze != nil:
		d.freeze(*o.Freeze)
	case o.Met:
		a.Met = d.met
	default:
		d.faults, d.met = o.Fail, 0
	}
	return a
}

func (d *disk) extract(x *extract) error {
	d.mu.Lock()
	if x.Image < 0 || x.Image >= len(d.images) {
		d.mu.Unlock()
		return fmt.Errorf("lossyfs: there is no image %d", x.Image)
	}
	im := d.images[x.Image]
	d.mu.Unlock()
	left := im.survivors(x.Seed)
	if x.To != "" {
		return left.writeTo(x.To)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.adopt(left)
	return nil
}

// adopt goes on with other content, under numbers that the kernel does not know.
func (d *disk) adopt(left *disk) {
	base := d.last
	renumber := func(to map[string]uint64) {
		for name := range to {
			to[name] += base
		}
	}
	for number, n := range left.nodes {
		renumber(n.dir.now)
		renumber(n.dir.durable)
		if number == rootNode {
			d.nodes[rootNode] = n
		} else {
			d.nodes[number+base] = n
		}
	}
	d.last += left.last
}
