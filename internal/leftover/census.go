package leftover

import (
	"fmt"
	"maps"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// Census is what the process has at a time.
type Census struct {
	goroutines map[string]string // stacks by id
	files      map[string]int    // open files by name
}

// Take counts now.
func Take() Census { return Census{goroutines: goroutines(), files: files()} }

// beyond lists what is there and was not in the earlier census.
func (c Census) beyond(before Census) (left []string) {
	for _, id := range slices.Sorted(maps.Keys(c.goroutines)) {
		if _, old := before.goroutines[id]; !old && !library(c.goroutines[id]) {
			left = append(left, c.goroutines[id])
		}
	}
	for _, name := range slices.Sorted(maps.Keys(c.files)) {
		if c.files[name] > before.files[name] {
			left = append(left, "open: "+name+ends(name))
		}
	}
	return left
}

// ends are the addresses of a socket that is open still; "" of another file.
func ends(name string) string {
	if !strings.HasPrefix(name, "socket:") {
		return ""
	}
	list, _ := os.ReadDir("/proc/self/fd")
	for _, f := range list {
		if is, err := os.Readlink(filepath.Join("/proc/self/fd", f.Name())); err != nil || is != name {
			continue
		}
		fd, _ := strconv.Atoi(f.Name())
		kind, _ := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_TYPE)
		local, _ := unix.Getsockname(fd)
		remote, _ := unix.Getpeername(fd)
		return fmt.Sprintf(" of type %d from %s to %s", kind, address(local), address(remote))
	}
	return ""
}

func address(a unix.Sockaddr) string {
	switch a := a.(type) {
	case *unix.SockaddrInet4:
		return netip.AddrPortFrom(netip.AddrFrom4(a.Addr), uint16(a.Port)).String()
	case *unix.SockaddrInet6:
		return netip.AddrPortFrom(netip.AddrFrom16(a.Addr), uint16(a.Port)).String()
	case *unix.SockaddrUnix:
		return a.Name
	}
	return "nowhere"
}

// goroutines are all but the one that asks.
func goroutines() map[string]string {
	buf := make([]byte, 1<<16)
	for {
		n := runtime.Stack(buf, true)
		if n < len(buf) {
			buf = buf[:n]
			break
		}
		buf = make([]byte, 2*len(buf))
	}
	all := map[string]string{}
	for i, stack := range strings.Split(string(buf), "\n\n") {
		id, _, _ := strings.Cut(strings.TrimPrefix(stack, "goroutine "), " ")
		if i > 0 {
			all[id] = stack
		}
	}
	return all
}

// library tells whether a goroutine is one of the Go runtime or of testing,
// which they start when they like.
func library(stack string) bool {
	for _, of := range [...]string{
		"created by testing.", "created by runtime", "testing.tRunner(", "testing.(*M).", "runtime.goexit0", "runtime.ensureSigM",
		"created by os/signal.", "runtime/trace.",
		"internal/synctest.", "created by net.(*Resolver).goLookupIPCNAMEOrder", "created by internal/singleflight.",
	} {
		if strings.Contains(stack, of) {
			return true
		}
	}
	return false
}

// files are the open descriptors by what they are; none where the system does
// not tell. Those of Go's poller are no test's.
func files() map[string]int {
	all := map[string]int{}
	list, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return all
	}
	for _, fd := range list {
		name, err := os.Readlink(filepath.Join("/proc/self/fd", fd.Name()))
		if err != nil || strings.HasPrefix(name, "anon_inode:") || strings.HasPrefix(name, "/proc/") || strings.HasPrefix(name, "/dev/") {
			continue
		}
		all[name]++
	}
	return all
}
