package lossyfs

import (
	"maps"
	"slices"
	"syscall"
	"time"

	"github.com/hanwen/go-fuse/v2/fuse"
)

// fileSystem answers the kernel. Writes arrive here within the system call, so
// that mapped pages, which the kernel fills from here, agree with them.
type fileSystem struct {
	fuse.RawFileSystem
	*disk
	born time.Time
}

func newFileSystem(d *disk) *fileSystem {
	return &fileSystem{RawFileSystem: fuse.NewDefaultRawFileSystem(), disk: d, born: time.Now()}
}

func (fs *fileSystem) String() string { return "lossyfs" }

// attr fills a node's attributes; the caller holds mu.
func (fs *fileSystem) attr(number uint64, out *fuse.Attr) {
	n := fs.nodes[number]
	out.Ino, out.Mode, out.Nlink, out.Blksize = number, n.mode, 1, page
	out.Size = uint64(len(n.file.now))
	out.Blocks = (out.Size + sector - 1) / sector
	out.SetTimes(&fs.born, &fs.born, &fs.born)
}

func (fs *fileSystem) entry(number uint64, out *fuse.EntryOut) {
	out.NodeId, out.Generation = number, 1
	fs.attr(number, &out.Attr)
}

func (fs *fileSystem) Lookup(_ <-chan struct{}, h *fuse.InHeader, name string, out *fuse.EntryOut) fuse.Status {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	number := fs.nodes[h.NodeId].dir.now[name]
	if number == 0 {
		return fuse.ENOENT
	}
	fs.entry(number, out)
	return fuse.OK
}

func (fs *fileSystem) GetAttr(_ <-chan struct{}, in *fuse.GetAttrIn, out *fuse.AttrOut) fuse.Status {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	fs.attr(in.NodeId, &out.Attr)
	return fuse.OK
}

func (fs *fileSystem) SetAttr(_ <-chan struct{}, in *fuse.SetAttrIn, out *fuse.AttrOut) fuse.Status {
	fs.changing()
	defer fs.mu.Unlock()
	n := fs.nodes[in.NodeId]
	if size, ok := in.GetSize(); ok {
		if errno := fs.truncate(in.NodeId, int64(size)); errno != 0 {
			return fuse.Status(errno)
		}
	}
	if mode, ok := in.GetMode(); ok {
		n.mode = n.mode&syscall.S_IFMT | mode&0o7777
	}
	fs.attr(in.NodeId, &out.Attr)
	return fuse.OK
}

func (fs *fileSystem) Mkdir(_ <-chan struct{}, in *fuse.MkdirIn, name string, out *fuse.EntryOut) fuse.Status {
	fs.changing()
	defer fs.mu.Unlock()
	number, errno := fs.make(in.NodeId, name, syscall.S_IFDIR|in.Mode&0o7777)
	if errno == 0 {
		fs.entry(number, out)
	}
	return fuse.Status(errno)
}

func (fs *fileSystem) Create(_ <-chan struct{}, in *fuse.CreateIn, name string, out *fuse.CreateOut) fuse.Status {
	fs.changing()
	defer fs.mu.Unlock()
	number, errno := fs.make(in.NodeId, name, syscall.S_IFREG|in.Mode&0o7777)
	if errno == 0 {
		fs.entry(number, &out.EntryOut)
		out.OpenFlags = fuse.FOPEN_KEEP_CACHE
	}
	return fuse.Status(errno)
}

func (fs *fileSystem) Unlink(_ <-chan struct{}, h *fuse.InHeader, name string) fuse.Status {
	fs.changing()
	defer fs.mu.Unlock()
	return fuse.Status(fs.remove(h.NodeId, name, false))
}

func (fs *fileSystem) Rmdir(_ <-chan struct{}, h *fuse.InHeader, name string) fuse.Status {
	fs.changing()
	defer fs.mu.Unlock()
	return fuse.Status(fs.remove(h.NodeId, name, true))
}

func (fs *fileSystem) Rename(_ <-chan struct{}, in *fuse.RenameIn, old, name string) fuse.Status {
	fs.changing()
	defer fs.mu.Unlock()
	if in.Flags != 0 {
		return fuse.EINVAL
	}
	return fuse.Status(fs.rename(in.NodeId, in.Newdir, old, name))
}

func (fs *fileSystem) Open(_ <-chan struct{}, _ *fuse.OpenIn, out *fuse.OpenOut) fuse.Status {
	out.OpenFlags = fuse.FOPEN_KEEP_CACHE // nobody but the kernel changes a node
	return fuse.OK
}

func (fs *fileSystem) Read(_ <-chan struct{}, in *fuse.ReadIn, buf []byte) (fuse.ReadResult, fuse.Status) {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	b := fs.nodes[in.NodeId].file.now
	if in.Offset >= uint64(len(b)) {
		return fuse.ReadResultData(nil), fuse.OK
	}
	return fuse.ReadResultData(buf[:copy(buf, b[in.Offset:])]), fuse.OK
}

func (fs *fileSystem) Write(_ <-chan struct{}, in *fuse.WriteIn, data []byte) (uint32, fuse.Status) {
	fs.changing()
	defer fs.mu.Unlock()
	n, errno := fs.write(in.NodeId, int64(in.Offset), data)
	return uint32(n), fuse.Status(errno)
}

func (fs *fileSystem) Flush(<-chan struct{}, *fuse.FlushIn) fuse.Status { return fuse.OK }

func (fs *fileSystem) Fsync(_ <-chan struct{}, in *fuse.FsyncIn) fuse.Status {
	fs.changing()
	defer fs.mu.Unlock()
	return fuse.Status(fs.sync(in.NodeId))
}

func (fs *fileSystem) FsyncDir(_ <-chan struct{}, in *fuse.FsyncIn) fuse.Status {
	fs.changing()
	defer fs.mu.Unlock()
	return fuse.Status(fs.sync(in.NodeId))
}

func (fs *fileSystem) OpenDir(<-chan struct{}, *fuse.OpenIn, *fuse.OpenOut) fuse.Status {
	return fuse.OK
}

func (fs *fileSystem) ReadDir(_ <-chan struct{}, in *fuse.ReadIn, out *fuse.DirEntryList) fuse.Status {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	now := fs.nodes[in.NodeId].dir.now
	for i, name := range slices.Sorted(maps.Keys(now)) {
		if uint64(i) < in.Offset {
			continue
		}
		if !out.AddDirEntry(fuse.DirEntry{Name: name, Ino: now[name], Mode: fs.nodes[now[name]].mode, Off: uint64(i + 1)}) {
			break
		}
	}
	return fuse.OK
}

func (fs *fileSystem) StatFs(_ <-chan struct{}, _ *fuse.InHeader, out *fuse.StatfsOut) fuse.Status {
	out.Bsize, out.Frsize, out.NameLen = page, page, 255
	out.Blocks, out.Bfree, out.Bavail = 1<<20, 1<<19, 1<<19
	out.Files, out.Ffree = 1<<20, 1<<19
	return fuse.OK
}
