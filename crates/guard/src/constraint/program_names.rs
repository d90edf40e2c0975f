//! Names of programs that systems come with.
//!
//! No list of programs is complete, so this is the second wall: what a value may do to a shell is
//! decided by its signs. It keeps out values that are a command from their first word on.
//!
//! # Source
//! POSIX.1-2024, Shell & Utilities; the builtins of bash; GNU coreutils, findutils, inetutils and
//! util-linux; Microsoft's list of Windows commands; interpreters and tools for transfer.

/// Words that are nothing else in prose: a value that begins with one is a command.
const COMMANDS: &str = " \
    addgroup adduser alias apk apropos apt apt-get aptitude arp arping atq atrm attrib awk aws az base32 base64 \
    basename bash bcdedit bg bitsadmin blkid bunzip2 busybox bzip2 cacls cal cargo cat cd certutil chattr chcon \
    chdir chgrp chkconfig chkdsk chmod chown chpasswd chroot chsh cipher cksum clip cls cmd cmdkey cmp cmstp comm cp \
    cpio cron crontab csc cscript csh csplit ctags curl cxref dc dd declare defrag del deltree deno df diff dig dir \
    dircolors dirname dirs diskpart diskshadow dism disown dmesg dnf dos2unix doskey dpkg driverquery dsquery du \
    dumpcap easy_install echo ed egrep emacs enable env erase esac esentutl eval eventvwr ex exec expr fallocate \
    fdisk fg fgrep findmnt findstr finger fish flatpak fmt fold forfiles fping fsck fsutil ftp ftype fuser g++ gawk \
    gcc gcloud gdb getconf getent getfacl getmac getopts gitk gpasswd gpg gpresult gpupdate gradle grep groupadd \
    gunzip gzip halt hashrs hd helm hexdump hostid hostname htop hydra icacls iconv id ifconfig iftop inetd init \
    insmod installutil iostat ip ipconfig ipcrm ipcs iptables iwconfig java javac jjs jobs journalctl jq jrunscript \
    kextload killall ksh lastb lastlog launchctl ld ldapsearch ldconfig ldd lftp locale localectl locate loginctl \
    logman logname logoff losetup lp ls lsattr lsb_release lsblk lscpu lshw lsmod lsof lspci lsusb ltrace lua lynx \
    m4 mailx mawk md md5sum mesg mkdir mkfifo mkfs mklink mknod mktemp mmc modprobe mount_smbfs mountvol mpstat \
    msbuild msfconsole mshta msiexec mstsc mtr mv mvn mysql mysqldump nano nawk nbtstat nc ncat neofetch net net1 \
    netcat netdom netsh netstat nft nl nltest nmap node nohup npm nproc npx nslookup od odbcconf openssl pacman \
    passwd pathchk pathping pax pbcopy pcalua perl pgrep php pidof ping ping6 pip pip3 pkexec pkg pkill pnputil popd \
    poweroff powershell printenv printf procdump ps psexec psql ptx pushd pwd pwdx pwgen pwsh python python2 python3 \
    qprocess qwinsta rar rasdial rc rcp rd readarray readelf readlink readonly realpath reg regedit regsvcs regsvr32 \
    ren rexec rg rlogin rm rmdir rmmod robocopy rpm rsh rsync ruby runas runcon rundll32 rustc sc schtasks scp \
    scrcons screenfetch sdiff secedit sed seq setenv setfacl setsid setspn setx sftp sh sha1sum sha256sum sha512sum \
    shopt shred shutdown sleep smbclient socat sqlcmd sqlite3 sqlmap srm ss ssh ssh-keygen sshd stat strace stty su \
    subst sudo swapoff swapon sysctl sysinfo systemctl systeminfo tac tailf takeown tar taskkill tasklist tcpdump \
    tcsh tee telnet terraform tftp timedatectl tput tracepath traceroute tracerpt tracert truncate tshark tskill tty \
    tzutil ulimit umask umount unalias uname unexpand uniq unix2dos unlink unlzma unrar unset unxz unzip uptime \
    useradd userdel usermod uuidgen vi vim visudo vmstat vssadmin wbadmin wc wevtutil wget whereis whoami whois \
    winrm winrs wmic wscript wsl wusa xargs xcopy xmllint xxd xz yacc yum zcat zdump zfs zip zipinfo zless zsh \
    zypper ";

/// Words that are also words of prose: a command alone, or with what looks like a program's arguments behind it.
const AMBIGUOUS: &str = " \
    at batch bc bind break builtin c99 call caller case choice color column command compact compgen complete \
    continue convert copy cut dash date dnsdomainname docker edit end exit expand explorer export factor false fc \
    fetch file find free fsi function git go groups hash head help history host if install join kill kubectl label \
    last less let link ln local log logger login look mail make man mapfile merge mode more mount move msg nice \
    notepad open paste patch path pause pr print prompt query read recover rename replace reset restart return rev \
    rgrep route screen script select service set shift snap sort source split start strings sum svn sync tail test \
    then time timeout title top touch tr trap tree true tsort type typeset ul units until users ver verify view vol \
    w wait wall watch where which while who write yes ";

/// Whether a value is a command, as far as its first word tells.
pub(super) fn is_command(value: &str) -> bool {
    let mut words = value.split(' ').filter(|word| !word.is_empty());
    let Some(first) = words.next() else {
        return false;
    };
    let name = first.rsplit('/').next().unwrap_or(first).to_lowercase();
    let endings = [".exe", ".com", ".cmd", ".bat"];
    let name = endings
        .iter()
        .find_map(|ending| name.strip_suffix(ending))
        .unwrap_or(&name);
    let listed = |list: &str, name: &str| list.contains(&format!(" {name} "));
    // A path to a file of some program's name is a path, unless arguments follow.
    if first.contains('/') && !value.contains(' ') {
        return is_program_folder(first);
    }
    if listed(COMMANDS, name) {
        return true;
    }
    if !listed(AMBIGUOUS, name) {
        return is_program_folder(first);
    }
    let mut rest = words.peekable();
    rest.peek().is_none() || rest.any(|word| looks_like_argument(word) || listed(COMMANDS, word))
}

/// Folders that hold programs and nothing else.
fn is_program_folder(word: &str) -> bool {
    let folder = word.rsplit_once('/').map_or("", |(folder, _)| folder);
    matches!(
        folder,
        "/bin"
            | "/sbin"
            | "/usr/bin"
            | "/usr/sbin"
            | "/usr/local/bin"
            | "/usr/local/sbin"
            | "/opt/bin"
    )
}

/// An option, a path, a number, an address.
fn looks_like_argument(word: &str) -> bool {
    word.starts_with(['-', '/', '+', '.'])
        || word.contains("://")
        || word.contains('/')
        || word.bytes().all(|b| b.is_ascii_digit() || b == b'.')
}
