package line

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// Device opens a network device of that name, in the network namespace of the thread that
// calls it, as the file descriptor of its other side: what is sent to the device can be read
// there, frame by frame, and what is written there has arrived at the device. Both go when
// it is closed.
func Device(name string) (fd int, err error) {
	fd, err = unix.Open("/dev/net/tun", unix.O_RDWR|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return -1, fmt.Errorf("/dev/net/tun: %w", err)
	}
	req, err := unix.NewIfreq(name)
	if err == nil {
		req.SetUint16(unix.IFF_TAP | unix.IFF_NO_PI)
		err = unix.IoctlIfreq(fd, unix.TUNSETIFF, req)
	}
	if err != nil {
		_ = unix.Close(fd)
		return -1, fmt.Errorf("device %s: %w", name, err)
	}
	return fd, nil
}
