#include "tuning/machine_parts.h"

#include <ctype.h>
#include <dirent.h>
#include <stdlib.h>
#include <string.h>

static DIR *open_folder(const char *root, const char *path) {
    char full[HOST_FILE_PATH_BYTES];
    return host_file_path(full, root, "%s", path) ? opendir(full) : NULL;
}

static void read_steering(struct machine_nic *nic, const char *root, const char *queue) {
    char path[HOST_FILE_PATH_BYTES], text[512];
    struct cpu_list cpus;
    if (!host_file_path(path, "", "/sys/class/net/%s/queues/%s/rps_cpus", nic->name, queue) ||
        !host_file_read_text(root, path, text, sizeof(text)) ||
        !cpu_list_decode_mask(&cpus, text) || cpu_list_count(&cpus) == 0)
        return;
    nic->rps_queues++;
    cpu_list_add(&nic->rps_cpus, &cpus);
}

static void read_queues(struct machine_nic *nic, const char *root) {
    char path[HOST_FILE_PATH_BYTES];
    DIR *folder = host_file_path(path, "", "/sys/class/net/%s/queues", nic->name)
                      ? open_folder(root, path)
                      : NULL;
    if (folder == NULL)
        return;
    for (struct dirent *entry = readdir(folder); entry != NULL; entry = readdir(folder)) {
        nic->tx_queues += strncmp(entry->d_name, "tx-", 3) == 0;
        if (strncmp(entry->d_name, "rx-", 3) != 0)
            continue;
        nic->rx_queues++;
        read_steering(nic, root, entry->d_name);
    }
    closedir(folder);
}

// Drivers name their interrupts as they like: eth0-TxRx-3, virtio2-input.0, mlx5_comp4@pci:…,
// ena-mgmnt@…, eth0-rx-1. Those of received packets are told by these words.
static bool is_receive_name(const char *name) {
    static const char *const WORDS[] = {"txrx", "input", "rx", "comp", "fp-", "queue", "-q"};
    for (size_t i = 0; i < sizeof(WORDS) / sizeof(WORDS[0]); i++)
        if (strcasestr(name, WORDS[i]) != NULL)
            return true;
    return false;
}

// The folder in /proc/irq/N that has the handler's name.
static bool read_irq_name(const char *root, const char *irq, char name[MACHINE_NAME_BYTES * 2]) {
    char path[HOST_FILE_PATH_BYTES];
    name[0] = 0;
    DIR *folder = host_file_path(path, "", "/proc/irq/%s", irq) ? open_folder(root, path) : NULL;
    if (folder == NULL)
        return false;
    for (struct dirent *entry = readdir(folder); entry != NULL; entry = readdir(folder))
        if (entry->d_type == DT_DIR && entry->d_name[0] != '.')
            snprintf(name, MACHINE_NAME_BYTES * 2, "%.63s", entry->d_name);
    closedir(folder);
    return name[0] != 0;
}

static void read_irq(struct machine_nic *nic, const char *root, const char *irq) {
    char name[MACHINE_NAME_BYTES * 2], path[HOST_FILE_PATH_BYTES], text[256];
    struct cpu_list cpus;
    if (!read_irq_name(root, irq, name) || !is_receive_name(name))
        return;
    nic->irq_count++;
    static const char *const FILES[] = {"effective_affinity_list", "smp_affinity_list"};
    for (size_t i = 0; i < 2; i++)
        if (host_file_path(path, "", "/proc/irq/%s/%s", irq, FILES[i]) &&
            host_file_read_text(root, path, text, sizeof(text)) && cpu_list_decode(&cpus, text) &&
            cpu_list_count(&cpus) > 0) {
            cpu_list_add(&nic->irq_cpus, &cpus);
            return;
        }
}

// A card's own folder, or that of the bus device which a virtio device sits on.
static void read_irqs(struct machine_nic *nic, const char *root) {
    static const char *const FOLDERS[] = {"device/msi_irqs", "device/../msi_irqs"};
    for (size_t i = 0; i < 2 && nic->irq_count == 0; i++) {
        char path[HOST_FILE_PATH_BYTES];
        DIR *folder = host_file_path(path, "", "/sys/class/net/%s/%s", nic->name, FOLDERS[i])
                          ? open_folder(root, path)
                          : NULL;
        if (folder == NULL)
            continue;
        for (struct dirent *entry = readdir(folder); entry != NULL; entry = readdir(folder))
            if (isdigit((unsigned char)entry->d_name[0]) &&
                nic->irq_count < MACHINE_IRQS_PER_NIC_MAX)
                read_irq(nic, root, entry->d_name);
        closedir(folder);
    }
}

static void read_nic(struct machine_nic *nic, const char *root, const char *name) {
    char path[HOST_FILE_PATH_BYTES], text[64];
    *nic = (struct machine_nic){.node = -1, .speed_mbit = -1};
    snprintf(nic->name, sizeof(nic->name), "%.31s", name);
    DIR *device =
        host_file_path(path, "", "/sys/class/net/%s/device", name) ? open_folder(root, path) : NULL;
    nic->is_virtual = device == NULL;
    if (device != NULL)
        closedir(device);
    if (host_file_path(path, "", "/sys/class/net/%s/operstate", name) &&
        host_file_read_text(root, path, text, sizeof(text)))
        nic->is_up = strcmp(text, "up") == 0;
    if (host_file_path(path, "", "/sys/class/net/%s/speed", name) &&
        host_file_read_text(root, path, text, sizeof(text)) && text[0])
        nic->speed_mbit = strtoll(text, NULL, 10);
    if (host_file_path(path, "", "/sys/class/net/%s/device/numa_node", name) &&
        host_file_read_text(root, path, text, sizeof(text)) && text[0])
        nic->node = (int32_t)strtol(text, NULL, 10);
    read_queues(nic, root);
    if (!nic->is_virtual)
        read_irqs(nic, root);
}

static int by_name(const void *a, const void *b) {
    const struct machine_nic *left = a, *right = b;
    return left->is_virtual != right->is_virtual ? left->is_virtual - right->is_virtual
                                                 : strcmp(left->name, right->name);
}

// The kernel allows nearly any byte in a name; reports and shells take these.
static bool is_interface(const char *name) {
    if (name[0] == '.' || strcmp(name, "lo") == 0 || strlen(name) >= MACHINE_NAME_BYTES)
        return false;
    for (; *name != 0; name++)
        if (!isalnum((unsigned char)*name) && strchr("-_.:@", *name) == NULL)
            return false;
    return true;
}

void machine_nic_read(struct machine *machine, const char *root) {
    DIR *folder = open_folder(root, "/sys/class/net");
    if (folder == NULL)
        return;
    // Cards first: where there are more than the table has places, interfaces of containers go.
    for (struct dirent *entry = readdir(folder); entry != NULL; entry = readdir(folder)) {
        struct machine_nic nic;
        if (!is_interface(entry->d_name))
            continue;
        read_nic(&nic, root, entry->d_name);
        if (machine->nic_count < MACHINE_NICS_MAX)
            machine->nics[machine->nic_count++] = nic;
        else if (!nic.is_virtual) {
            qsort(machine->nics, machine->nic_count, sizeof(nic), by_name);
            machine->nics[MACHINE_NICS_MAX - 1] = nic;
        }
    }
    closedir(folder);
    qsort(machine->nics, machine->nic_count, sizeof(machine->nics[0]), by_name);
}
